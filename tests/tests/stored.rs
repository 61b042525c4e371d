//! Plugins that were built once and are stored as files: a plugin built for a version of a contract keeps working.
//!
//! Each folder of `stored` has the file, its source, how it was built, and its answer.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn folders() -> Vec<PathBuf> {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("stored");
    let folders = std::fs::read_dir(stored).expect("a folder").map(|entry| entry.expect("an entry").path());
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    folders
}

#[test]
fn a_plugin_that_was_stored_once_answers_as_it_did() {
    for folder in folders() {
        let plugin = folder.join("plugin.wasm");
        let expected = std::fs::read_to_string(folder.join("expected.json")).expect("what it answers");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        let recipe = std::fs::read_to_string(folder.join("README.md")).expect("how it was built");
        let rows = expected["rows"].as_array().expect("rows");
        assert!(rows.len() >= 10, "{}", folder.display());
        for row in rows {
            let (exit, answer) = invoke(&plugin, &row["message"]);
            let place = format!("{}: {}", folder.display(), row["message"]);
            for (name, value) in row["answer"].as_object().expect("an answer") {
                assert_eq!(&answer[name], value, "{name} of {place}");
            }
            assert_eq!(exit.map(i64::from), row["exit"].as_i64(), "{place}");
            assert_eq!(answer["plugin"]["contract"], expected["contract"]);
            let digest = answer["plugin"]["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
            assert!(digest.is_some_and(|digest| recipe.contains(digest)), "not the file of the recipe: {digest:?}");
        }
    }
}

fn invoke(plugin: &Path, message: &Value) -> (Option<i32>, Value) {
    let mut child = Command::new(kit::host::binary())
        .arg("invoke")
        .arg(plugin)
        .args(["--message", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(message.to_string().as_bytes()).expect("it reads its message");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("one JSON line"))
}
