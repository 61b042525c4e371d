//! A folder with a configuration, in which the tests run the command.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kit::{Ended, Host, Kafka, Probe, Record, Signal, Sqs, Stored};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const WAIT: Duration = Duration::from_secs(90);

pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A configuration with these brokers, and `routes` below them.
    pub(crate) fn new(kafka: Option<&Kafka>, sqs: Option<&Sqs>, routes: &str) -> Desk {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let kafka = kafka.map(|kafka| format!("kafka = {{ bootstrap_servers = {:?} }}", kafka.bootstrap()));
        let sqs = sqs.map(|sqs| format!("sqs = {{ endpoint = {:?} }}", sqs.endpoint()));
        let sections = [kafka, sqs].into_iter().flatten().collect::<Vec<_>>().join("\n");
        let path = kit::guest("probe");
        let text = format!(
            "service = {{ name = \"probe\" }}\nadmin = {{ listen = \"127.0.0.1:0\" }}\n{sections}\n\
             [plugins.probe]\npath = {path:?}\n{routes}"
        );
        std::fs::write(folder.path().join("cofferdam.toml"), text).expect("a temporary file can be written");
        Desk { folder }
    }

    /// Returns a route from a topic through the probe, with the dead-letter destination in `more`.
    pub(crate) fn route(from: &str, more: &str) -> String {
        let group = kit::unique("probe");
        format!(
            "[[routes]]\nname = \"probe\"\nfrom = {from}\nhandler = \"probe\"\n{more}\n\
             [routes.retry]\ninitial_delay = \"10ms\"\n[routes.outputs]\nout = {{ kafka = \"{group}-out\" }}\n"
        )
    }

    /// Starts `cofferdam` in the folder with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Host {
        kit::host(arguments).current_dir(self.folder.path()).start()
    }

    /// Runs the command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(WAIT).await
    }

    /// Returns the folder of the configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns when each compiled plugin was last used.
    pub(crate) fn compiled(&self) -> BTreeMap<PathBuf, SystemTime> {
        let files = std::fs::read_dir(self.folder.path().join(".cofferdam/compiled")).into_iter().flatten().flatten();
        let used = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).expect("the file is there");
        files.map(|file| file.path()).map(|path| (path.clone(), used(&path))).collect()
    }

    /// Runs `dlq` with these arguments and `--json`, and returns the lines; it must succeed.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["dlq"], arguments, &["--json"]].concat()).await;
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {:#?}", ended.stderr);
        ended.stdout.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Returns the positions that `dlq list` shows with these arguments, sorted.
    pub(crate) async fn positions(&self, arguments: &[&str]) -> Vec<String> {
        let letters = self.json(&[&["list"], arguments].concat()).await;
        let mut positions: Vec<String> = letters.iter().map(|letter| word(letter, "position")).collect();
        positions.sort();
        positions
    }
}

/// Returns a text field of an object.
pub(crate) fn word(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {object}")).to_owned()
}

/// Counts equal elements.
pub(crate) fn counted<T: std::hash::Hash + Eq>(all: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    all.into_iter().fold(HashMap::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}

/// Returns yesterday's midnight in UTC, in milliseconds. A topic would soon delete much older records.
pub(crate) fn yesterday() -> i64 {
    const DAY: u64 = 86_400;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
    i64::try_from((now.as_secs() / DAY - 1) * DAY * 1_000).expect("a time of this century")
}

/// Returns the records for [`five`].
pub(crate) fn originals() -> [Record; 5] {
    [
        Probe::ask("a", "permanent", 1).header("tenant", "acme").timestamp(yesterday() + 123),
        Probe::ask("b", "permanent", 2),
        Probe::ask("c", "panic", 3).header("tenant", "other"),
        Record::new(&b"\xff\x00"[..]).key(&b"k\xfe"[..]).header("z", "1").null_header("nothing"),
        Record::tombstone("gone\n"),
    ]
}

/// Creates a topic with five dead letters, in this order: two that the handler rejects, a panic, a record that is not
/// text, a tombstone. Also returns a desk with a route from the topic of the same name without `.dlq`.
pub(crate) async fn five(kafka: &Kafka) -> (Desk, String) {
    let input = kafka.topic("dlq-in", 1).await;
    let letters = format!("{input}.dlq");
    let from = format!("{{ kafka = [\"{input}\"], group = \"{input}\" }}");
    let desk = Desk::new(Some(kafka), None, &Desk::route(&from, "order = \"partition\""));
    kafka.produce(&input, originals()).await;
    desk.dead_letters(kafka, &letters, 5).await;
    (desk, letters)
}

impl Desk {
    /// Runs a host until this topic has `records` records.
    pub(crate) async fn dead_letters(&self, kafka: &Kafka, topic: &str, records: i64) {
        self.host_until(async || {
            let there = kafka.try_ends(topic).await;
            (there.values().sum::<i64>() >= records).then_some(())
        })
        .await;
    }

    /// Runs a host until `probe` returns a value.
    pub(crate) async fn host_until(&self, probe: impl AsyncFnMut() -> Option<()>) {
        let mut host = self.start(&["run", "--json"]);
        kit::eventually("the host has done it", WAIT, probe).await;
        host.signal(Signal::TERM);
        assert_eq!(host.wait(WAIT).await.code(), Some(0));
    }
}

/// Returns a dead letter as a host writes it, of the record `number` of `source`.
pub(crate) fn letter(source: &str, number: usize, code: &str) -> Record {
    let last = format!("2026-01-01T00:{:02}:{:02}.000Z", number / 60 % 60, number % 60);
    Record::new(format!("payload {number}"))
        .key(format!("k-{}", number % 7))
        .timestamp(yesterday() + i64::try_from(number).expect("a small number"))
        .header("own", number.to_string())
        .header("cofferdam-dlq-outcome", "permanent")
        .header("cofferdam-dlq-code", code)
        .header("cofferdam-dlq-text", "as asked")
        .header("cofferdam-dlq-route", "probe")
        .header("cofferdam-dlq-plugin", "probe")
        .header("cofferdam-dlq-attempts", "[]")
        .header("cofferdam-dlq-last-failure", last)
        .header("cofferdam-dlq-source", source)
        .header("cofferdam-dlq-position", format!("0/{number}"))
}

/// Returns the replay marker of a replayed record.
pub(crate) fn marker(record: &Stored) -> Value {
    let marker = record.header("cofferdam-replay").unwrap_or_else(|| panic!("no marker: {record:?}"));
    serde_json::from_str(marker).expect("the marker is JSON")
}

/// Returns the record without replay marker and position: the part that must not change.
pub(crate) fn bare(record: &Stored) -> Stored {
    let mut record = record.clone();
    record.headers.retain(|(name, _)| name != "cofferdam-replay");
    Stored { offset: 0, ..record }
}
