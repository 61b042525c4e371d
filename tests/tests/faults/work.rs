//! Messages with keys on their way through hosts of one group, and the judge of what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kit::kafka::Writer;
use kit::{Host, Kafka, Probe, Record, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);
/// What a host may have received and not committed, messages.
pub(crate) const IN_FLIGHT: usize = 100;
/// How long a host is missed before its partitions go to others.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

const KEYS: usize = 40;
/// Time between two messages of a key.
const PACE: Duration = Duration::from_millis(100);
const PARTITIONS: i32 = 4;

/// So that hosts miss each other soon, and find a broker soon that was away.
const PROPERTIES: &str =
    r#""session.timeout.ms" = 3000, "heartbeat.interval.ms" = 300, "reconnect.backoff.max.ms" = 500"#;

/// So that a host keeps its partitions through an outage, which outlasts the delivery timeout.
pub(crate) const PATIENT: &str = r#""reconnect.backoff.max.ms" = 500, "delivery.timeout.ms" = 1500"#;

/// Little may be in flight. What fails once comes again soon, and is no reason to stop the route.
const ROUTE: &str = r#"
    concurrency = 16
    max_in_flight = { messages = 100 }
    commit_interval = "100ms"
    retry = { initial_delay = "200ms", jitter = 0.0 }
    breaker = { failures = 0 }
"#;

/// Work under way.
pub(crate) struct Work<'a> {
    kafka: &'a Kafka,
    pub(crate) probe: Probe,
    brokers: String,
    properties: &'static str,
    pub(crate) hosts: Vec<Host>,
    /// Messages come all the time, until this is cancelled; then it tells how many of each key there are.
    producer: JoinHandle<u64>,
    enough: CancellationToken,
    /// What may come twice because of the faults so far.
    repeats: usize,
}

/// What became of numbered messages, by key.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Messages that were handled, each once.
    pub(crate) handled: BTreeSet<(String, u64)>,
    /// How many came out more than once, and how often beyond the first.
    pub(crate) repeats: usize,
    /// Keys whose messages came out for the first time in another order than they went in.
    pub(crate) disordered: Vec<String>,
}

impl Outcome {
    /// Of what came out, in order.
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
    /// Messages begin to come, and so many hosts begin with them. They reach the brokers at `brokers`.
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

    /// One more host in the group.
    pub(crate) fn join(&mut self) {
        let host = self.probe.host(&self.brokers, self.properties, ROUTE);
        // A line for each attempt that is repeated would hide the others.
        self.hosts.push(host.env("COFFERDAM_LOG", "info,cofferdam::delivery=error").start());
    }

    /// A fault has hit so many hosts: what they had in flight may come again.
    pub(crate) fn fault(&mut self, hosts: usize) {
        self.repeats += hosts * IN_FLIGHT;
    }

    /// How many outputs there are.
    pub(crate) async fn outputs(&self) -> usize {
        let outputs: i64 = self.kafka.ends(&self.probe.output).await.values().sum();
        usize::try_from(outputs).expect("a count")
    }

    /// Waits until so much more is done.
    pub(crate) async fn go_on(&self, messages: usize) {
        let before = self.outputs().await;
        eventually("the work goes on", LONG, async || (self.outputs().await >= before + messages).then_some(())).await;
    }

    /// What the group has committed, by partition.
    pub(crate) async fn committed(&self) -> BTreeMap<i32, i64> {
        let committed = self.kafka.committed(&self.probe.group, &self.probe.input).await;
        committed.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect()
    }

    /// Waits until all is done and committed, stops the hosts, and judges.
    pub(crate) async fn end(mut self) {
        self.enough.cancel();
        let each = (&mut self.producer).await.expect("all messages are taken");
        let ends = self.kafka.ends(&self.probe.input).await;
        eventually("all is committed", LONG, async || (self.committed().await == ends).then_some(())).await;
        for mut host in self.hosts.drain(..) {
            let ended = host.stop(LONG).await;
            // Seen where the test fails.
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

/// Adds a message to each key at each pace; every fifth of a key has to wait for a second attempt.
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

/// A message that fails once where it is to fail.
pub(crate) fn ask(key: &str, what: &str, number: u64) -> Record {
    Record::new(format!(r#"{{"do":"{what}","times":1,"number":{number}}}"#)).key(key)
}

/// Waits until so much time has passed since `began`.
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
