//! `cofferdam invoke` reports the resource usage of a guest, tested with guests of known usage.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn invoke(folder: &Path, payload: &Value) -> Value {
    let file = folder.join("message.json");
    std::fs::write(&file, serde_json::json!({ "payload": payload }).to_string()).expect("a file");
    let output = Command::new(kit::host::binary())
        .arg("invoke")
        .arg(kit::guest("probe"))
        .args([
            "--limit",
            "cpu_time=60s",
            "--limit",
            "wall_time=10m",
            "--limit",
            "memory=128MiB",
            "--json",
            "--message",
        ])
        .arg(file)
        .output()
        .expect("it runs");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(shown["outcome"], "done", "{shown:#}");
    shown
}

/// Returns the CPU time in user mode of all ended child processes and their children, in hundredths of a second. A
/// guest without host calls spends all of its CPU time there, and the ticker thread hardly any.
fn children() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let (_, after_name) = text.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // cutime; the name is field 2, and the state after it field 3.
    fields[13].parse().expect("a number")
}

fn is_within_a_tenth(reported: f64, used: f64) -> bool {
    (reported - used).abs() <= used / 10.0
}

/// One test for both: the child processes of one must not count in the other.
#[test]
fn memory_and_cpu_time_are_reported_within_a_tenth_of_what_the_guest_used() {
    let folder = tempfile::tempdir().unwrap();
    for mebibytes in [0, 1, 10, 100] {
        let shown = invoke(folder.path(), &serde_json::json!({ "do": "grow", "times": mebibytes }));
        let used: f64 = shown["outputs"][0]["payload"].as_str().unwrap().parse().unwrap();
        let reported = shown["usage"]["memory_peak_bytes"].as_f64().unwrap();
        println!("memory: {used} used, {reported} reported");
        assert!(used >= f64::from(mebibytes << 20), "{used}");
        assert!(is_within_a_tenth(reported, used), "{used} {reported}");
    }
    // The difference of two runs is the usage of the guest: everything else is equal.
    let burn = |millions: u64| {
        let before = children();
        let shown = invoke(folder.path(), &serde_json::json!({ "do": "burn", "times": millions }));
        (shown["usage"]["cpu_us"].as_f64().unwrap() / 1e6, (children() - before) / 100.0)
    };
    let mut millions = 100;
    let (idle, mut busy) = (burn(0), burn(millions));
    while busy.1 - idle.1 < 2.0 {
        millions *= 2;
        busy = burn(millions);
    }
    let (reported, used) = (busy.0 - idle.0, busy.1 - idle.1);
    println!("cpu time: {used} s used by {millions} million turns, {reported} s reported");
    assert!(is_within_a_tenth(reported, used), "{used} {reported}");
}
