//! A new version of a plugin takes over while messages flow: nothing is lost or repeated, and the order is kept. A
//! version that cannot be loaded or started does not take over.
//!
//! `RELOADS=100 cargo test --release --workspace --test reload -- --nocapture` checks a time of 300 ms at p95. A debug
//! build has 3 s, because it compiles several times slower.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kit::{Host, Kafka, Record, Signal, Stored, eventually, guest, run, unique};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);
/// Messages per second while plugins are replaced.
const RATE: usize = 1_000;
const KEYS: usize = 100;
/// Minimum number of messages between two versions: more than are in flight when the first takes over.
const SOME: i64 = 200;

/// A route through a plugin in a file that the test changes.
struct Bench {
    kafka: &'static Kafka,
    folder: TempDir,
    component: Vec<u8>,
    input: String,
    output: String,
    group: String,
}

impl Bench {
    async fn new(kafka: &'static Kafka) -> Bench {
        let component = std::fs::read(guest("versioned")).expect("it was just built");
        let (input, output) = (kafka.topic("reload-in", 2).await, kafka.topic("reload-out", 1).await);
        let folder = TempDir::new().expect("a temporary folder can be made");
        let bench = Bench { kafka, folder, component, input, output, group: unique("reload") };
        bench.save(1);
        bench
    }

    fn plugin(&self) -> PathBuf {
        self.folder.path().join("plugin.wasm")
    }

    /// Writes a new version of the plugin beside the old one and renames it, as compilers do. Returns the time in
    /// milliseconds.
    fn save(&self, version: usize) -> u64 {
        let place = self.component.windows(8).position(|bytes| bytes == b"VERSION:").expect("it says its version");
        let mut bytes = self.component.clone();
        bytes[place + 8..place + 16].copy_from_slice(format!("{version:08}").as_bytes());
        replace(&self.plugin(), &bytes)
    }

    fn configure(&self, plugin: &str, route: &str) -> String {
        let Self { input, output, group, .. } = self;
        let (brokers, storage) = (self.kafka.bootstrap(), self.folder.path().join("state"));
        let (path, storage) = (self.plugin(), storage.display());
        let path = path.display();
        format!(
            r#"
            service = {{ name = "reload" }}
            kafka = {{ bootstrap_servers = "{brokers}" }}
            admin = {{ listen = "" }}
            storage = {{ path = "{storage}" }}
            plugins.versioned = {{ path = "{path}", {plugin} }}
            [[routes]]
            name = "versions"
            from = {{ kafka = ["{input}"], group = "{group}" }}
            handler = "versioned"
            outputs = {{ out = {{ kafka = "{output}" }} }}
            {route}
            "#
        )
    }

    async fn produce(&self, numbers: std::ops::Range<usize>) {
        let record = |number: usize| Record::new(number.to_string()).key(format!("key-{}", number % KEYS));
        self.kafka.produce(&self.input, numbers.map(record)).await;
    }

    async fn outputs(&self, count: usize) -> Vec<Stored> {
        eventually("the outputs are there", LONG, async || {
            let stored = self.kafka.read_all(&self.output).await;
            (stored.len() >= count).then_some(stored)
        })
        .await
    }

    /// Returns version and greeting of the handler of the next message.
    async fn asked(&self, number: usize) -> (String, String) {
        self.produce(number..number + 1).await;
        let outputs = self.outputs(number + 1).await;
        assert_eq!(outputs.len(), number + 1);
        let newest = outputs.last().expect("there is one");
        let header = |name| newest.header(name).expect("the guest says it").to_owned();
        (header("version"), header("greeting"))
    }
}

/// Writes a temporary file and renames it; returns the time of the rename in milliseconds.
fn replace(file: &Path, bytes: &[u8]) -> u64 {
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes).expect("a temporary file can be written");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    std::fs::rename(&beside, file).expect("it can be renamed");
    u64::try_from(now).expect("it fits")
}

fn number(record: &Stored) -> usize {
    std::str::from_utf8(record.value.as_deref().expect("a payload")).expect("text").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn new_versions_take_over_under_load_without_loss_repeats_or_disorder() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let reloads = std::env::var("RELOADS").map_or(20, |text| text.parse().expect("a number of reloads"));
    let bench = Bench::new(kafka).await;
    let mut host = run(&bench.configure("watch = true", "")).start();
    assert_eq!(bench.asked(0).await.0, "00000001");

    let enough = CancellationToken::new();
    let load = tokio::spawn(load(kafka, bench.input.clone(), enough.clone()));
    let mut saved = BTreeMap::new();
    for version in 2..2 + reloads {
        saved.insert(format!("{version:08}"), bench.save(version));
        replaced(&host, version - 1).await;
        // Each version handles some messages before the next one.
        let before = written(kafka, &bench.output).await;
        eventually("messages flow on", LONG, async || {
            (written(kafka, &bench.output).await >= before + SOME).then_some(())
        })
        .await;
    }
    let newest = format!("{:08}", 1 + reloads);
    eventually("the last version has handled a message", LONG, async || {
        let outputs = kafka.read_all(&bench.output).await;
        outputs.iter().any(|output| output.header("version") == Some(&*newest)).then_some(())
    })
    .await;
    enough.cancel();
    let produced = load.await.expect("the load is written");
    let outputs = bench.outputs(produced).await;
    assert_eq!(host.stop(LONG).await.account()["retried"], 0);

    // Each message once, messages of a key in order, and no key returns to an older version.
    let mut numbers: Vec<usize> = outputs.iter().map(number).collect();
    let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut first_of_version: BTreeMap<String, u64> = BTreeMap::new();
    for output in &outputs {
        let version = output.header("version").expect("the guest says it");
        let now = (number(output), version);
        let before = last.insert(output.key_text(), now);
        assert!(before.is_none_or(|before| before < now && before.1 <= version), "{before:?}, then {now:?}");
        let said: jiff::Timestamp = output.header("timestamp").expect("the host says it").parse().expect("a time");
        let ended = u64::try_from(said.as_millisecond()).expect("after 1970");
        first_of_version.entry(version.to_owned()).and_modify(|first| *first = ended.min(*first)).or_insert(ended);
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..produced), "{} outputs of {produced} messages", numbers.len());

    let mut took: Vec<u64> =
        saved.iter().map(|(version, saved)| first_of_version[version].saturating_sub(*saved)).collect();
    took.sort_unstable();
    let (median, p95) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    let kilobytes = bench.component.len() / 1024;
    println!(
        "{reloads} reloads of a component of {kilobytes} KiB beside {produced} messages: from the rename to the first \
         outcome {median} ms (median), {p95} ms (p95)"
    );
    // A component is compiled for each version; a debug build compiles several times slower.
    let limit = if cfg!(debug_assertions) { 3_000 } else { 300 };
    assert!(p95 <= limit, "{took:?}");
}

/// Returns the number of records in the topic.
async fn written(kafka: &Kafka, topic: &str) -> i64 {
    kafka.ends(topic).await.values().sum()
}

/// Waits until `count` versions have taken over.
async fn replaced(host: &Host, count: usize) {
    eventually("the version is taken over", LONG, async || {
        let lines = host.stderr();
        (lines.iter().filter(|line| line.contains("plugin_replaced")).count() >= count).then_some(())
    })
    .await;
}

/// Writes at a steady rate; returns the number of records, including the first one.
async fn load(kafka: &'static Kafka, topic: String, enough: CancellationToken) -> usize {
    let writer = kafka.writer(&topic);
    let (started, mut written) = (Instant::now(), 0);
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    while !enough.is_cancelled() {
        beat.tick().await;
        let due = usize::try_from(started.elapsed().as_millis()).expect("it fits") * RATE / 1_000;
        let record = |number: usize| Record::new(number.to_string()).key(format!("key-{}", number % KEYS));
        writer.write((written + 1..=due).map(record)).await;
        written = due.max(written);
    }
    written + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_load_or_start_is_explained_and_the_old_version_goes_on() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let bench = Bench::new(kafka).await;
    let mut host = run(&bench.configure("watch = true", "")).start();
    assert_eq!(bench.asked(0).await.0, "00000001");
    // Editors touch files without changing them.
    bench.save(1);

    let broken = [
        ("garbage", "invalid component"),
        ("module", "failed to build a component from the core module"),
        ("no-exports", "exports no handler"),
        ("right-name-wrong-type", "the handler does not have the type of"),
        ("trap-in-start", "failed to start: trapped TRAP_UNREACHABLE"),
        ("loop-in-start", "failed to start: timed_out CPU_LIMIT"),
    ];
    for (number, (name, reason)) in broken.into_iter().enumerate() {
        let hostile = kit::hostile::corpus().into_iter().find(|hostile| hostile.name == name);
        replace(&bench.plugin(), &hostile.expect("it is in the corpus").bytes);
        host.says(reason, LONG).await;
        assert_eq!(bench.asked(number + 1).await.0, "00000001", "after {reason}");
    }
    std::fs::remove_file(bench.plugin()).expect("it was there");
    host.says("failed to read the file", LONG).await;
    assert_eq!(bench.asked(7).await.0, "00000001");

    bench.save(7);
    host.says("plugin_replaced", LONG).await;
    assert_eq!(bench.asked(8).await.0, "00000007");
    assert_eq!(host.stop(LONG).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_over_what_can_change_and_says_what_cannot() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let bench = Bench::new(kafka).await;
    let file = bench.folder.path().join("cofferdam.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a temporary file can be written");
    write(&bench.configure("config = { greeting = \"hello\" }", ""));
    let arguments = ["run".as_ref(), "--json".as_ref(), "--config".as_ref(), file.as_os_str()];
    let mut host = kit::host(arguments).start();
    assert_eq!(bench.asked(0).await, ("00000001".into(), "hello".into()));

    // Without watching, a changed file has no effect until a reload is requested.
    bench.save(2);
    write(&bench.configure("config = { greeting = \"good day\" }", ""));
    assert_eq!(bench.asked(1).await, ("00000001".into(), "hello".into()));
    host.signal(Signal::HUP);
    let loading = host.says("plugin_loading", LONG).await;
    assert!(loading.contains("compiling"), "it is said before it takes its time: {loading}");
    let replaced = host.says("plugin_replaced", LONG).await;
    assert!(replaced.contains("the new version is running"), "{replaced}");
    let said = host.stderr();
    let place = |text: &str| said.iter().position(|line| line.contains(text));
    assert!(place("plugin_loading") < place("plugin_replaced"), "{said:#?}");
    assert_eq!(bench.asked(2).await, ("00000002".into(), "good day".into()));

    write(&bench.configure("config = { greeting = \"good day\" }", "concurrency = 7"));
    host.signal(Signal::HUP);
    let line = host.says("restart_needed", LONG).await;
    assert!(line.contains("route `versions`"), "{line}");

    write("this is no configuration");
    host.signal(Signal::HUP);
    host.says("configuration_refused", LONG).await;
    assert_eq!(bench.asked(3).await, ("00000002".into(), "good day".into()));
    assert_eq!(host.stop(LONG).await.code(), Some(0));
}
