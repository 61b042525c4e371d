//! The same handler in six languages (`examples/in-every-language`): one input and one expected output, identical to
//! the last byte, through `invoke` and through a real broker; and a table of the costs of each.
//!
//! `cargo test --release --workspace --test every_language -- --nocapture` prints the table; figures of other builds
//! mean nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam::config::Config;
use cofferdam::message_file::MessageFile;
use cofferdam::plugin::{Attempt, Engine, EngineConfig, Plugin};
use cofferdam::run::plugin_spec;
use kit::{Record, eventually, host};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The source file of each handler.
const SOURCES: [&str; 6] = ["src/lib.rs", "enrich.py", "src/enrich.js", "src/enrich.ts", "enrich.go", "enrich.c"];
const LANGUAGES: [&str; 6] = ["rust", "python", "javascript", "typescript", "go", "c"];

/// Python's component has 18 MB, and a debug build compiles it here.
const LONG: Duration = Duration::from_secs(300);

/// Number of messages over which the time of one is averaged.
const TIMED: usize = 200;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/in-every-language")
}

fn component(language: &str) -> PathBuf {
    example().join(language).join("enrich.wasm")
}

/// Returns the input, one message per line.
fn input() -> Vec<String> {
    let text = std::fs::read_to_string(example().join("input/orders.jsonl")).expect("the input");
    text.lines().map(str::to_owned).collect()
}

/// Returns the expected result of each message.
fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(example().join("expected.json")).expect("what is expected");
    serde_json::from_str(&text).expect("a list")
}

/// Builds all handlers as `cofferdam dev` does.
fn build() {
    for language in LANGUAGES {
        let output = Command::new("sh").arg(format!("{language}/build.sh")).current_dir(example()).output();
        let output = output.expect("there is a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{language}: {}\n{said}", output.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn six_languages_answer_the_same_to_the_last_byte() {
    build();
    let cache = TempDir::new().expect("a temporary folder can be made");
    let (input, expected) = (input(), expected());
    assert_eq!(input.len(), expected.len());
    std::thread::scope(|threads| {
        for language in LANGUAGES {
            let (input, expected, cache) = (&input, &expected, cache.path());
            threads.spawn(move || {
                for (message, expected) in input.iter().zip(expected) {
                    assert_eq!(&invoke(language, message, cache), expected, "{language}: {message}");
                }
            });
        }
    });
    through_a_broker().await;
    table().await;
}

/// Returns outcome, code, and output of one message with `cofferdam invoke`.
fn invoke(language: &str, message: &str, cache: &Path) -> Value {
    let mut child = Command::new(kit::host::binary())
        .arg("invoke")
        .arg(component(language))
        .args(["--config", "cofferdam.toml", "--route", language, "--message", "-", "--json"])
        .current_dir(example())
        .env("XDG_CACHE_HOME", cache)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("it is piped").write_all(message.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said: Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    let mut seen = json!({ "outcome": said["outcome"], "code": said["code"] });
    if let Some(output) = said["outputs"].get(0) {
        seen["output"] = json!({ "key": output["key"], "headers": output["headers"], "payload": output["payload"] });
    }
    seen
}

/// The same through Kafka, all six in one host.
async fn through_a_broker() {
    let Some(kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    kafka.create_topic("orders", 1).await;
    for language in LANGUAGES {
        kafka.create_topic(&format!("enriched.{language}"), 1).await;
        kafka.create_topic(&format!("orders.{language}.dlq"), 1).await;
    }
    let configuration = example().join("cofferdam.toml");
    let mut host = host(["run", "--config"])
        .arg(configuration)
        .arg("--json")
        .current_dir(example())
        .env("KAFKA_BOOTSTRAP", kafka.bootstrap())
        .env("ADMIN_LISTEN", "127.0.0.1:0")
        .start();
    let records = input();
    let records = records.iter().map(|line| {
        let message = MessageFile::parse(line).expect("a message");
        let key = message.key.expect("every order has one");
        match message.payload {
            Some(payload) => Record::new(payload).key(key),
            None => Record::tombstone(key),
        }
    });
    kafka.produce("orders", records).await;

    let expected = expected();
    let done: Vec<&Value> = expected.iter().filter_map(|one| one.get("output")).collect();
    for language in LANGUAGES {
        let topic = format!("enriched.{language}");
        let stored = eventually(&format!("{language} has handled all"), LONG, async || {
            let stored = kafka.read_all(&topic).await;
            (stored.len() >= done.len()).then_some(stored)
        })
        .await;
        // Messages of different keys have no common order.
        let mut seen: Vec<_> = stored.iter().map(|it| (it.key_text(), it.text(), it.header("schema"))).collect();
        let mut wanted: Vec<_> = done.iter().map(|output| parts(output)).collect();
        seen.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "{language}");
        let dead = format!("orders.{language}.dlq");
        eventually("the others are dead letters", LONG, async || {
            (kafka.read_all(&dead).await.len() == expected.len() - done.len()).then_some(())
        })
        .await;
    }
    assert_eq!(host.stop(LONG).await.code(), Some(0));
}

/// Returns key, payload and the one header of an output.
fn parts(output: &Value) -> (&str, &str, Option<&str>) {
    (text(&output["key"]), text(&output["payload"]), output["headers"][0][1].as_str())
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Prints the costs of a handler in each language.
async fn table() {
    let file = example().join("cofferdam.toml");
    let config = Config::load(&file, &|name| std::env::var(name).ok()).expect("it is in order");
    println!("| language | handler, lines | plugin, KiB | compiled in, ms | a message, us | its memory, KiB |");
    println!("|---|---|---|---|---|---|");
    for (language, source) in LANGUAGES.iter().zip(SOURCES) {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let spec = plugin_spec(language, &config.plugins[*language], None, &tokio::runtime::Handle::current());
        let started = Instant::now();
        let plugin = Plugin::open(&engine, &component(language), spec.expect("no requests")).expect("it is a plugin");
        let compiled = started.elapsed().as_millis();
        let first = input();
        let first: Value = serde_json::from_str(&first[0]).expect("JSON");
        let message = kit::probe::message(&first["payload"].to_string());
        let mut attempts: Vec<Attempt> = Vec::new();
        for _ in 0..TIMED {
            attempts.push(plugin.handle(&message, 1).await);
        }
        let mut times: Vec<u64> = attempts.iter().map(|attempt| attempt.usage.wall_us).collect();
        times.sort_unstable();
        let memory = attempts.iter().map(|attempt| attempt.usage.memory_peak_bytes).max().unwrap_or_default() >> 10;
        let source = std::fs::read_to_string(example().join(language).join(source)).expect("the handler");
        let lines = source.lines().filter(|line| !line.trim().is_empty()).count();
        let size = std::fs::metadata(component(language)).expect("it was built").len() >> 10;
        println!("| {language} | {lines} | {size} | {compiled} | {} | {memory} |", times[TIMED / 2]);
    }
}
