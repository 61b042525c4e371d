//! Texts for people: every text of `check`, `invoke` and `new`, and the help of each command, as snapshots. `cargo
//! insta review` accepts a changed text.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use kit::guest;
use tempfile::TempDir;

/// Returns a folder with everything that the commands need.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    for name in ["probe", "caller"] {
        std::fs::copy(guest(name), folder.path().join(format!("{name}.wasm"))).expect("it was just built");
    }
    write("text.wasm", b"hello");
    write("cut.wasm", b"\0asm\x0d\0\x01\0\x07");
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("echo.json", br#"{"key": "o-1", "headers": [["trace", "7"]], "payload": {"do": "echo"}}"#);
    write("no-json.json", b"{\"payload\": }");
    write("no-key.json", br#"{"paylod": 1}"#);
    write("two.json", br#"{"payload": "a", "payload_base64": "YQ=="}"#);
    let good = r#"
service = { name = "texts" }
kafka = { bootstrap_servers = "127.0.0.1:9" }
[plugins.probe]
path = "probe.wasm"
limits = { cpu_time = "100ms" }
[[routes]]
name = "orders"
from = { kafka = ["orders"], group = "texts" }
handler = "probe"
outputs = { other = { kafka = "other" } }
[[routes]]
name = "tasks"
from = { sqs = "tasks" }
handler = "probe"
"#;
    let unregioned = "sqs = { region = \"eu-west-1\" }";
    write("good.toml", format!("{unregioned}{good}").as_bytes());
    write("wrong.toml", good.replace("handler", "handlr").replace("100ms", "100").as_bytes());
    write("missing.toml", format!("{unregioned}{}", good.replace("probe.wasm", "nowhere.wasm")).as_bytes());
    write("refused.toml", format!("{unregioned}{}", good.replace("probe.wasm", "caller.wasm")).as_bytes());
    std::fs::create_dir(folder.path().join("taken")).expect("it is new");
    std::fs::write(folder.path().join("taken/file"), "").expect("it can be written");
    folder
}

/// Returns the output of the command as a person sees it.
fn said(folder: &Path, arguments: &str, stdin: &str) -> String {
    let mut child = Command::new(kit::host::binary())
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    if let Err(error) = child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()) {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "it may end before it reads");
    }
    let output = child.wait_with_output().expect("it ends");
    let given = if stdin.is_empty() { String::new() } else { format!("echo '{stdin}' | ") };
    let streams = [(&output.stdout, ""), (&output.stderr, "! ")].map(|(text, mark)| {
        let text = String::from_utf8_lossy(text);
        text.lines().map(|line| format!("{mark}{}\n", steady(line))).collect::<String>()
    });
    let code = output.status.code().expect("it ends by itself");
    format!("$ {given}cofferdam {arguments}\n{}(exit {code})\n", streams.concat())
}

/// Returns the line without varying parts: digests, times, sizes of memory.
fn steady(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 0..words.len() {
        if let Some((before, digest)) = words[at].split_once("sha256:") {
            words[at] =
                format!("{before}sha256:...{}", digest.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()));
        }
        let unit = words.get(at + 1).map(|unit| unit.trim_end_matches(',').to_owned());
        if matches!(unit.as_deref(), Some("us" | "KiB")) && words[at].parse::<u64>().is_ok() {
            words[at] = "...".into();
        }
    }
    words.join(" ")
}

fn all(folder: &Path, commands: &[(&str, &str)]) -> String {
    commands.iter().map(|(arguments, stdin)| said(folder, arguments, stdin)).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_has_an_example_for_each_command() {
    let folder = folder();
    let commands = [
        "",
        "dev",
        "run",
        "new",
        "check",
        "invoke",
        "verify",
        "dlq",
        "dlq list",
        "dlq show",
        "dlq replay",
        "dlq purge",
    ];
    let helps: Vec<String> =
        commands.iter().map(|command| said(folder.path(), format!("{command} --help").trim(), "")).collect();
    insta::assert_snapshot!(helps.join("\n"));
}

#[test]
fn invoke_says_what_came_of_it() {
    let folder = folder();
    insta::assert_snapshot!(all(
        folder.path(),
        &[
            ("invoke probe.wasm --message echo.json", ""),
            ("invoke probe.wasm --message -", r#"{"payload": {"do": "fail", "times": 3}}"#),
            ("invoke probe.wasm --message -", r#"{"payload": {"do": "permanent"}}"#),
            ("invoke probe.wasm --message -", r#"{"payload": {"do": "nothing of the kind"}}"#),
            ("invoke probe.wasm --message - --limit cpu_time=50ms", r#"{"payload": {"do": "loop"}}"#),
            ("invoke probe.wasm --message - --limit memory=2MiB", r#"{"payload": {"do": "grow", "times": 64}}"#),
            ("invoke probe.wasm --message echo.json --outputs other,more", ""),
            ("invoke probe.wasm --message echo.json --config good.toml --route orders", ""),
        ]
    ));
}

#[test]
fn invoke_says_what_is_wrong_and_what_would_be_right() {
    let folder = folder();
    insta::assert_snapshot!(all(
        folder.path(),
        &[
            ("invoke", ""),
            ("invoke nowhere.wasm", ""),
            ("invoke text.wasm", ""),
            ("invoke core.wasm", ""),
            ("invoke cut.wasm", ""),
            ("invoke probe.wasm --message nowhere.json", ""),
            ("invoke probe.wasm --message no-json.json", ""),
            ("invoke probe.wasm --message no-key.json", ""),
            ("invoke probe.wasm --message two.json", ""),
            ("invoke probe.wasm --message - --watch", "{}"),
            ("invoke probe.wasm --limit memry=1MiB", ""),
            ("invoke probe.wasm --limit memory=much", ""),
            ("invoke probe.wasm --limit memory=2GiB", ""),
            ("invoke probe.wasm --config good.toml --route order", ""),
            ("invoke probe.wasm --config nowhere.toml --route orders", ""),
            ("invoke probe.wasm --http http:// --message echo.json", ""),
            ("invoke nowhere.wasm --json", ""),
        ]
    ));
}

#[test]
fn check_says_that_all_is_well_or_all_that_is_not() {
    let folder = folder();
    insta::assert_snapshot!(all(
        folder.path(),
        &[
            ("check --config good.toml", ""),
            ("check --config good.toml --json", ""),
            ("check --config nowhere.toml", ""),
            ("check --config wrong.toml", ""),
            ("check --config missing.toml", ""),
            ("check --config refused.toml", ""),
            ("check --config missing.toml --json", ""),
        ]
    ));
}

#[test]
fn new_says_what_to_do_next_or_why_not() {
    let folder = folder();
    insta::assert_snapshot!(all(
        folder.path(),
        &[
            ("new rust hello", ""),
            ("new rust taken", ""),
            ("new rust Hello", ""),
            ("new cobol hello", ""),
            ("new rust", "")
        ]
    ));
}
