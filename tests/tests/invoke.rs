//! `cofferdam invoke` with each poison message of the example: outcome, code and exit code as documented.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/order-pipeline")
}

fn invoke(plugin: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let plugin = kit::guest(plugin);
    let output = Command::new(kit::host::binary())
        .arg("invoke")
        .arg(plugin)
        .args(arguments)
        .arg("--json")
        .current_dir(example())
        .output()
        .expect("it runs");
    let line = String::from_utf8(output.stdout).expect("text");
    let json = serde_json::from_str(line.trim())
        .unwrap_or_else(|_| panic!("one JSON line, not {line:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), json)
}

#[test]
fn each_poison_message_gets_the_outcome_code_and_exit_code_of_its_table() {
    let text = std::fs::read_to_string(example().join("poison/expected.json")).expect("the table");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(rows.len() >= 12);
    for row in rows {
        let (file, route) = (row["file"].as_str().expect("a file"), row["route"].as_str().expect("a route"));
        let plugin = if route == "split-orders" { "order-split" } else { "order-price" };
        let message = format!("poison/{file}");
        let (exit, shown) = invoke(plugin, &["--config", "cofferdam.toml", "--route", route, "--message", &message]);
        let seen = (&shown["outcome"], &shown["code"], exit.map(i64::from));
        assert_eq!(seen, (&row["outcome"], &row["code"], row["exit"].as_i64()), "{file}: {shown:#}");
    }
}

#[test]
fn a_limit_on_the_command_line_counts() {
    let (exit, shown) = invoke(
        "order-split",
        &[
            "--config",
            "cofferdam.toml",
            "--route",
            "split-orders",
            "--message",
            "poison/unknown-article.json",
            "--limit",
            "outputs=1",
        ],
    );
    assert_eq!((exit, shown["code"].as_str()), (Some(70), Some("TOO_MANY_OUTPUTS")));
}

#[test]
fn without_a_route_every_output_is_accepted_and_a_file_that_is_no_plugin_is_told_so() {
    let (exit, shown) = invoke("forward", &["--message", "/dev/null"]);
    assert_eq!(exit, Some(65), "an empty file is no message");
    assert!(shown["error"]["what"].is_string(), "{shown}");
    let output = Command::new(kit::host::binary())
        .args(["invoke", "cofferdam.toml", "--json"])
        .current_dir(example())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(65));
    let line: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(line["error"]["what"], "the file is not WebAssembly");
}
