//! Sends keyed messages through the hosts of one group, and checks the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kit::kafka::Writer;
use kit::{Host, Kafka, Probe, Record, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than any step takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);
/// Maximum number of messages that a host has received and not committed.
pub(crate) const IN_FLIGHT: usize = 100;
/// The time after which the partitions of a missing host go to others.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

const KEYS: usize = 40;
/// Time between two messages of a key.
const PACE: Duration = Duration::from_millis(100);
const PARTITIONS: i32 = 4;

/// Hosts notice soon that another host is missing, or that a broker is available again.
const PROPERTIES: &str =
    r#""session.timeout.ms" = 3000, "heartbeat.interval.ms" = 300, "reconnect.backoff.max.ms" = 500"#;

/// A host keeps its partitions in an outage that is longer than the delivery timeout.
pub(crate) const PATIENT: &str = r#""reconnect.backoff.max.ms" = 500, "delivery.timeout.ms" = 1500"#;

/// Few messages may be in flight. A failed message is soon retried, and failures do not pause the route.
const ROUTE: &str = r#"
    concurrency = 16
    max_in_flight = { messages = 100 }
    commit_interval = "100ms"
    retry = { initial_delay = "200ms", jitter = 0.0 }
    breaker = { failures = 0 }
"#;

/// The hosts and the producer of a test.
pub(crate) struct Work<'a> {
    kafka: &'a Kafka,
    pub(crate) probe: Probe,
    brokers: String,
    properties: &'static str,
    pub(crate) hosts: Vec<Host>,
    /// Sends messages until it is cancelled. Returns how many each key has.
    producer: JoinHandle<u64>,
    enough: CancellationToken,
    /// The number of repeated messages that the faults so far may cause.
    repeats: usize,
}

/// The results of numbered messages, by key.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Handled messages, without repetitions.
    pub(crate) handled: BTreeSet<(String, u64)>,
    /// The number of outputs beyond the first of each message.
    pub(crate) repeats: usize,
    /// Keys whose messages were first handled in another order than they were sent.
    pub(crate) disordered: Vec<String>,
}

impl Outcome {
    /// Computes the result from outputs in their order.
    pub(crate) fn of<'a>(outputs: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut outcome = Self::default();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, number) in outputs {
            if !outcome.handled.insert((key.to_owned(), number)) {
                outcome.repeats += 1;
            } else if last.insert(key, number).is_some_and(|before| before > number) {
                outcome.disordered.push(format!("{key}: {number}"));
            }
        }
        outcome
    }
}

impl<'a> Work<'a> {
    /// Starts the producer and `hosts` hosts, which connect to `brokers`.
    pub(crate) async fn begin(kafka: &'a Kafka, brokers: &str, hosts: usize) -> Self {
        Self::begin_with(kafka, brokers, hosts, PROPERTIES).await
    }

    /// The same with these properties of librdkafka.
    pub(crate) async fn begin_with(kafka: &'a Kafka, brokers: &str, hosts: usize, properties: &'static str) -> Self {
        let probe = Probe::new(kafka, PARTITIONS).await;
        let enough = CancellationToken::new();
        let producer = tokio::spawn(produce(kafka.writer(&probe.input), enough.clone()));
        let brokers = brokers.to_owned();
        let mut work = Self { kafka, probe, brokers, properties, hosts: Vec::new(), producer, enough, repeats: 0 };
        for _ in 0..hosts {
            work.join();
        }
        work
    }

    /// Adds a host to the group.
    pub(crate) fn join(&mut self) {
        let host = self.probe.host(&self.brokers, self.properties, ROUTE);
        // A line for each repeated attempt would hide the others.
        self.hosts.push(host.env("COFFERDAM_LOG", "info,cofferdam::delivery=error").start());
    }

    /// Records a fault of this number of hosts: their messages in flight may be repeated.
    pub(crate) fn fault(&mut self, hosts: usize) {
        self.repeats += hosts * IN_FLIGHT;
    }

    /// Returns the number of outputs.
    pub(crate) async fn outputs(&self) -> usize {
        let outputs: i64 = self.kafka.ends(&self.probe.output).await.values().sum();
        usize::try_from(outputs).expect("a count")
    }

    /// Waits for this number of further outputs.
    pub(crate) async fn go_on(&self, messages: usize) {
        let before = self.outputs().await;
        eventually("the work goes on", LONG, async || (self.outputs().await >= before + messages).then_some(())).await;
    }

    /// Returns the committed offsets of the group, by partition.
    pub(crate) async fn committed(&self) -> BTreeMap<i32, i64> {
        let committed = self.kafka.committed(&self.probe.group, &self.probe.input).await;
        committed.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect()
    }

    /// Waits until all is handled and committed, stops the hosts, and checks the result.
    pub(crate) async fn end(mut self) {
        self.enough.cancel();
        let each = (&mut self.producer).await.expect("all messages are taken");
        let ends = self.kafka.ends(&self.probe.input).await;
        eventually("all is committed", LONG, async || (self.committed().await == ends).then_some(())).await;
        for mut host in self.hosts.drain(..) {
            let ended = host.stop(LONG).await;
            // Shown if the test fails.
            println!("{}\n{}", ended.stderr.join("\n"), ended.account());
            assert_eq!(ended.code(), Some(0));
        }
        let stored = self.kafka.read_all(&self.probe.output).await;
        let numbers: Vec<u64> =
            stored.iter().map(|record| record.json()["number"].as_u64().expect("a number")).collect();
        let outcome = Outcome::of(stored.iter().map(kit::Stored::key_text).zip(numbers));
        let all = (0..KEYS).flat_map(|key| (0..each).map(move |number| (format!("key-{key}"), number)));
        let lost: Vec<_> = all.filter(|message| !outcome.handled.contains(message)).collect();
        assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
        assert!(outcome.disordered.is_empty(), "out of order: {:?}", outcome.disordered);
        assert!(
            outcome.repeats <= self.repeats,
            "{} repeats, at most {} were in flight",
            outcome.repeats,
            self.repeats
        );
        assert_eq!(self.kafka.read_all(&self.probe.dead_letters).await, [], "nothing failed for good");
        println!("{} messages, {} repeats of at most {}", KEYS as u64 * each, outcome.repeats, self.repeats);
    }
}

/// Sends a message to each key at each interval. Every fifth message of a key needs a second attempt.
async fn produce(writer: Writer, enough: CancellationToken) -> u64 {
    let mut number = 0;
    let mut pace = tokio::time::interval(PACE);
    while !enough.is_cancelled() {
        pace.tick().await;
        let what = if number % 5 == 2 { "fail" } else { "echo" };
        writer.write((0..KEYS).map(|key| ask(&format!("key-{key}"), what, number))).await;
        number += 1;
    }
    number
}

/// Returns a message for the action `what` of the probe. An action that fails does so once.
pub(crate) fn ask(key: &str, what: &str, number: u64) -> Record {
    Record::new(format!(r#"{{"do":"{what}","times":1,"number":{number}}}"#)).key(key)
}

/// Waits until `time` has passed since `began`.
pub(crate) async fn elapsed(began: Instant, time: Duration) {
    eventually("time passes", time + LONG, async || (began.elapsed() >= time).then_some(())).await;
}

#[test]
fn the_judge_sees_what_is_lost_repeated_and_out_of_order() {
    let outcome = Outcome::of([("a", 0), ("b", 0), ("a", 1), ("a", 0), ("b", 2), ("b", 1), ("b", 2)]);
    assert_eq!(outcome.handled.len(), 5);
    assert_eq!(outcome.repeats, 2);
    assert_eq!(outcome.disordered, ["b: 1"]);
}
