//! `cofferdam dev` interactively: messages one by one, the last one again, messages from files, and the live page; all
//! through a plain pipe.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use kit::{Host, guest, host};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

/// Returns a folder with a route through the probe, and this input for its topic.
fn folder(input: &str) -> TempDir {
    folder_from(r#"{ kafka = ["in"], group = "console" }"#, "in", "", input)
}

/// The same with another source and one more output.
fn folder_from(from: &str, source: &str, output: &str, input: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a temporary folder can be made");
        std::fs::write(path, text).expect("a temporary file can be written");
    };
    let (plugin, storage) = (guest("probe"), folder.path().join("state"));
    let (plugin, storage) = (plugin.display(), storage.display());
    write(
        "cofferdam.toml",
        &format!(
            r#"
            service = {{ name = "console" }}
            kafka = {{ bootstrap_servers = "nowhere:9092" }}
            sqs = {{ region = "eu-central-1" }}
            admin = {{ listen = "127.0.0.1:0" }}
            storage = {{ path = "{storage}" }}
            plugins.probe = {{ path = "{plugin}" }}
            [[routes]]
            name = "console"
            from = {from}
            handler = "probe"
            envelope = "raw"
            outputs = {{ out = {{ kafka = "out" }}{output} }}
            "#
        ),
    );
    write(&format!("input/{source}.jsonl"), input);
    folder
}

fn dev(folder: &Path, more: &[&str]) -> Host {
    let folder = folder.to_str().expect("a path in unicode");
    host(["dev", folder].iter().chain(more)).listening().start()
}

/// Returns the lines of standard output that begin with this word.
fn lines(host: &Host, word: &str) -> Vec<String> {
    host.stdout().into_iter().filter(|line| line.starts_with(word)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_one_by_one_and_what_waits_at_the_end_is_handed_back() {
    let line = |key: &str| format!(r#"{{"key": "k", "payload": {{"do": "echo", "name": "{key}"}}}}"#);
    let folder = folder(&[line("one"), line("two"), line("three")].join("\n"));
    let mut host = dev(folder.path(), &["--pause"]);

    host.says("\"one\"", SOON).await;
    assert_eq!(host.stdout(), [""; 0], "nothing is handled before it is asked for");
    host.tell("");
    host.says("\"two\"", SOON).await;
    assert_eq!(lines(&host, "done").len(), 1, "{:?}", host.stdout());
    host.tell("n");
    host.says("\"three\"", SOON).await;
    assert_eq!(lines(&host, "done").len(), 2, "{:?}", host.stdout());
    host.tell("q");

    let ended = host.wait(SOON).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let account = ended.stdout.last().expect("an account");
    assert!(account.contains(r#""received":3,"done":2"#), "{account}");
    assert!(account.contains(r#""abandoned":0"#), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_queue_go_one_by_one_until_the_pause_ends() {
    let line = |name: &str| format!(r#"{{"key": "k", "payload": {{"do": "echo", "name": "{name}"}}}}"#);
    let from = r#"{ sqs = "tasks.fifo" }"#;
    let input = ["one", "two", "three", "four"].map(line).join("\n");
    let folder = folder_from(from, "tasks.fifo", "", &input);
    let mut host = dev(folder.path(), &["--pause"]);

    host.says("\"one\"", SOON).await;
    assert_eq!(host.stdout(), [""; 0], "nothing is handled before it is asked for");
    host.tell("");
    host.says("\"two\"", SOON).await;
    assert_eq!(lines(&host, "done").len(), 1, "{:?}", host.stdout());
    host.tell("c");
    host.says("-- 4 received: 4 done", SOON).await;
    host.tell("n");
    host.says("not paused", SOON).await;
    host.tell("q");
    let ended = host.wait(SOON).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_goes_once_more_and_others_come_from_files() {
    let folder = folder("");
    let mut host = dev(folder.path(), &[]);
    host.says("h lists the commands", SOON).await;
    host.tell("r");
    host.says("no message was handled yet", SOON).await;

    let file = folder.path().join("bad.json");
    std::fs::write(&file, r#"{"key": "k-1", "payload": {"do": "panic"}}"#).expect("it can be written");
    host.tell(&format!("s {}", file.display()));
    let failed = host.says("TRAP_UNREACHABLE", SOON).await;
    assert!(failed.contains("k-1") && failed.contains("in/"), "{failed}");
    host.says(r#"    {"do":"panic"}"#, SOON).await;
    host.says("    at probe::handle", SOON).await;
    host.says("dead letter", SOON).await;
    host.tell("r");
    host.says("-- 2 received: 2 dead letters", SOON).await;

    host.tell(&format!("s {} elsewhere", file.display()));
    host.says("no route reads `elsewhere`", SOON).await;
    host.tell("s nowhere.json");
    host.says("nowhere.json: No such file", SOON).await;
    host.tell("what");
    host.says("unknown command `what`", SOON).await;
    host.tell("q");
    assert_eq!(host.wait(SOON).await.code(), Some(0));
}

/// A response of the host's server that is read as it arrives.
struct Asked {
    stream: TcpStream,
    heard: String,
}

impl Asked {
    fn at(address: &str, path: &str) -> Asked {
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(SOON)).expect("it is open");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("it is open");
        Asked { stream, heard: String::new() }
    }

    /// Reads until the text is enough.
    fn until(&mut self, enough: impl Fn(&str) -> bool) -> &str {
        let mut chunk = [0; 4096];
        while !enough(&self.heard) {
            let read = self.stream.read(&mut chunk).expect("it goes on");
            assert!(read > 0, "it ends too early: {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        &self.heard
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_messages_that_were_there_before_it_and_those_that_come() {
    let folder = folder(r#"{"key": "first", "payload": {"do": "echo"}}"#);
    let mut host = dev(folder.path(), &[]);
    host.says("-- 1 received: 1 done, 1 output", SOON).await;
    let line = host.says("live view of messages: http://", SOON).await;
    let (_, address) = line.trim_end_matches('/').split_once("http://").expect("an address");
    let mut page = Asked::at(address, "/");
    let page = page.until(|page| page.contains("</html>"));
    assert!(page.contains("<title>cofferdam dev</title>"), "{page}");

    let mut messages = Asked::at(address, "/dev/messages");
    let first = messages.until(|heard| heard.contains("\n\n") && heard.contains("data: "));
    assert!(first.contains(r#""key":"first""#) && first.contains(r#""to":"kafka:out""#), "{first}");
    host.tell("r");
    messages.until(|heard| heard.matches("data: ").count() == 2);
    // An open page does not delay the end of the host.
    host.tell("q");
    assert_eq!(host.wait(SOON).await.code(), Some(0));
}
