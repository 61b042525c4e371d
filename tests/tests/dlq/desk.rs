//! A folder with a configuration, and the command in it.

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

    /// A route from a topic through the probe, whose dead letters go where `more` says.
    pub(crate) fn route(from: &str, more: &str) -> String {
        let group = kit::unique("probe");
        format!(
            "[[routes]]\nname = \"probe\"\nfrom = {from}\nhandler = \"probe\"\n{more}\n\
             [routes.retry]\ninitial_delay = \"10ms\"\n[routes.outputs]\nout = {{ kafka = \"{group}-out\" }}\n"
        )
    }

    /// Starts `cofferdam` with these arguments, here.
    pub(crate) fn start(&self, arguments: &[&str]) -> Host {
        kit::host(arguments).current_dir(self.folder.path()).start()
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(WAIT).await
    }

    /// When each compiled plugin was last used.
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

    /// The positions that `dlq list` shows with these arguments, sorted.
    pub(crate) async fn positions(&self, arguments: &[&str]) -> Vec<String> {
        let letters = self.json(&[&["list"], arguments].concat()).await;
        let mut positions: Vec<String> = letters.iter().map(|letter| word(letter, "position")).collect();
        positions.sort();
        positions
    }
}

/// A text of an object.
pub(crate) fn word(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {object}")).to_owned()
}

/// How often each occurs.
pub(crate) fn counted<T: std::hash::Hash + Eq>(all: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    all.into_iter().fold(HashMap::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}

/// Its midnight in UTC, in milliseconds. Much older records a topic would soon delete.
pub(crate) fn yesterday() -> i64 {
    const DAY: u64 = 86_400;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
    i64::try_from((now.as_secs() / DAY - 1) * DAY * 1_000).expect("a time of this century")
}

/// The records that [`five`] is about.
pub(crate) fn originals() -> [Record; 5] {
    [
        Probe::ask("a", "permanent", 1).header("tenant", "acme").timestamp(yesterday() + 123),
        Probe::ask("b", "permanent", 2),
        Probe::ask("c", "panic", 3).header("tenant", "other"),
        Record::new(&b"\xff\x00"[..]).key(&b"k\xfe"[..]).header("z", "1").null_header("nothing"),
        Record::tombstone("gone\n"),
    ]
}

/// A topic of dead letters with five in it, in this order: two that the handler refuses, a panic, a record that is no
/// text, a tombstone. And a desk with the route from the topic of the same name without `.dlq`.
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
    /// Lets a host run until this topic holds so many records.
    pub(crate) async fn dead_letters(&self, kafka: &Kafka, topic: &str, records: i64) {
        self.host_until(async || {
            let there = kafka.try_ends(topic).await;
            (there.values().sum::<i64>() >= records).then_some(())
        })
        .await;
    }

    /// Lets a host run until then.
    pub(crate) async fn host_until(&self, probe: impl AsyncFnMut() -> Option<()>) {
        let mut host = self.start(&["run", "--json"]);
        kit::eventually("the host has done it", WAIT, probe).await;
        host.signal(Signal::TERM);
        assert_eq!(host.wait(WAIT).await.code(), Some(0));
    }
}

/// A dead letter as a host writes it, of the record `number` of `source`.
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

/// The marker of a record that was replayed.
pub(crate) fn marker(record: &Stored) -> Value {
    let marker = record.header("cofferdam-replay").unwrap_or_else(|| panic!("no marker: {record:?}"));
    serde_json::from_str(marker).expect("the marker is JSON")
}

/// The record without its marker, and without its place: what has to be as it was.
pub(crate) fn bare(record: &Stored) -> Stored {
    let mut record = record.clone();
    record.headers.retain(|(name, _)| name != "cofferdam-replay");
    Stored { offset: 0, ..record }
}
