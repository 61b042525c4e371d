//! Invalid configuration: location, reason and remedy, exit code 78, and no connection to a broker.

use std::process::Command;

use serde_json::Value;

const GOOD: &str = r#"
[service]
name = "orders"
[kafka]
bootstrap_servers = "127.0.0.1:1"
[plugins.forward]
path = "forward.wasm"
config = { to = "out" }
[[routes]]
name = "copy"
from = { kafka = ["in"], group = "g" }
handler = "forward"
[routes.outputs]
out = { kafka = "out" }
"#;

/// Returns what `check --json` reports about the configuration, together with the plugins that the tests use.
fn check(configuration: &str) -> (Option<i32>, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("cofferdam.toml"), configuration).expect("written");
    std::fs::copy(kit::guest("forward"), folder.path().join("forward.wasm")).expect("copied");
    std::fs::write(folder.path().join("text.wasm"), "no component at all").expect("written");
    // An empty core module, and a component without exports.
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").expect("written");
    std::fs::write(folder.path().join("empty.wasm"), b"\0asm\x0d\0\x01\0").expect("written");
    let output = Command::new(kit::host::binary())
        .args(["check", "--json"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON lines only")).collect();
    (output.status.code(), lines)
}

#[test]
fn a_good_configuration_is_well_without_any_broker() {
    let (exit, lines) = check(GOOD);
    assert_eq!(exit, Some(0), "{lines:?}");
    assert_eq!(lines[0]["plugins"][0]["contract"], "cofferdam:plugin@0.1");
}

#[test]
fn each_mistake_is_told_with_place_reason_and_remedy_and_ends_in_78() {
    let rows = [
        ("handler = ", "hanlder = ", "hanlder"),
        ("name = \"copy\"", "name = 7", "routes[0].name"),
        ("127.0.0.1:1", "${COFFERDAM_TEST_NOWHERE}", "COFFERDAM_TEST_NOWHERE"),
        ("handler = \"forward\"", "handler = \"nobody\"", "nobody"),
        ("out = { kafka = \"out\" }", "out = { sqs = \"out\" }", "sqs"),
        ("[plugins.forward]", "properties = { \"group.id\" = \"x\" }\n[plugins.forward]", "group.id"),
        ("forward.wasm", "missing.wasm", "missing.wasm"),
        ("forward.wasm", "text.wasm", "not WebAssembly"),
        ("forward.wasm", "core.wasm", "core module"),
        ("forward.wasm", "empty.wasm", "exports no handler"),
    ];
    for (good, bad, said) in rows {
        let (exit, lines) = check(&GOOD.replace(good, bad));
        assert_eq!(exit, Some(78), "{bad}: {lines:?}");
        let error = lines.iter().map(|line| &line["error"]).find(|error| error.to_string().contains(said));
        let error = error.unwrap_or_else(|| panic!("{bad}: nothing was said of {said}: {lines:?}"));
        for part in ["place", "what", "remedy"] {
            assert!(error[part].as_str().is_some_and(|text| !text.is_empty()), "{bad} has no {part}: {error}");
        }
    }
}
