//! Dead letters that the destination does not accept: nothing is committed past the failed message, and when they are
//! accepted again the work continues by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kit::{Host, Kafka, Probe, Record, eventually};

use crate::work::{LONG, elapsed};

/// Offset of a message that fails while its dead letter is accepted.
const EARLY: i64 = 5;
/// Offset of the message that fails while its dead letter is not accepted.
const BAD: i64 = 20;
const ALL: i64 = 60;

/// A running host with one partition, and a message in the middle that fails permanently.
struct Stuck<'a> {
    kafka: &'a Kafka,
    probe: Probe,
    host: Host,
}

impl<'a> Stuck<'a> {
    /// Starts a host that has already handled messages and stored a dead letter.
    async fn begin(kafka: &'a Kafka) -> Self {
        let probe = Probe::new(kafka, 1).await;
        // Otherwise librdkafka considers a missing topic existent for half a minute.
        let properties = r#""topic.metadata.propagation.max.ms" = 1000"#;
        let host = probe.host(kafka.bootstrap(), properties, "commit_interval = \"50ms\"").start();
        let first = (0..BAD).map(|number| if number == EARLY { bad("early", EARLY) } else { record(number) });
        kafka.produce(&probe.input, first).await;
        let stuck = Self { kafka, probe, host };
        stuck.committed_up_to(BAD).await;
        stuck
    }

    /// Sends the failing message, and others after it.
    async fn fail(&self) {
        self.kafka
            .produce(&self.probe.input, std::iter::once(bad("late", BAD)).chain((BAD + 1..ALL).map(record)))
            .await;
    }

    /// Checks the commits for some seconds after the host has logged `said`; in this time it tries more than once.
    async fn nothing_is_committed_past_it(&self, said: &str) {
        self.host.says(said, LONG).await;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            let committed = self.committed().await;
            assert!(committed <= BAD, "committed up to {committed}, and {BAD} is stored nowhere");
            elapsed(Instant::now(), Duration::from_millis(100)).await;
        }
    }

    /// Checks that the dead letter is stored, everything else is handled, and the host was not restarted.
    async fn goes_on(mut self) {
        self.committed_up_to(ALL).await;
        let letters = self.kafka.read_all(&self.probe.dead_letters).await;
        assert!(letters.iter().any(|letter| letter.key_text() == "late"), "{letters:?}");
        let outputs = self.probe.outputs(self.kafka, 0, LONG).await;
        let numbers: BTreeSet<u64> = outputs.iter().map(|(_, number)| *number).collect();
        assert_eq!(
            numbers,
            (0..ALL).filter(|number| ![EARLY, BAD].contains(number)).map(|number| number as u64).collect()
        );
        let ended = self.host.stop(LONG).await;
        assert_eq!((ended.code(), &ended.account()["dead_lettered"]), (Some(0), &2.into()), "{:#?}", ended.stderr);
    }

    async fn committed(&self) -> i64 {
        let committed = self.kafka.committed(&self.probe.group, &self.probe.input).await;
        committed.get(&0).map_or(0, |committed| committed.offset)
    }

    async fn committed_up_to(&self, offset: i64) {
        eventually(&format!("all is committed up to {offset}"), LONG, async || {
            (self.committed().await == offset).then_some(())
        })
        .await;
    }
}

/// Returns a message that fails permanently, with incompressible content.
fn bad(key: &str, number: i64) -> Record {
    let padding: String = (0..100_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    Record::new(format!(r#"{{"do":"permanent","number":{number},"padding":"{padding}"}}"#)).key(key)
}

fn record(number: i64) -> Record {
    Probe::ask(&format!("key-{}", number % 7), "echo", usize::try_from(number).expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_dead_letter_topic_a_host_holds_and_goes_on_when_it_is_back() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let stuck = Stuck::begin(kafka).await;
    kafka.delete_topic(&stuck.probe.dead_letters).await;
    stuck.fail().await;
    stuck.nothing_is_committed_past_it("intake has stopped").await;
    kafka.create_topic(&stuck.probe.dead_letters, 1).await;
    stuck.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_takes_nothing_so_large_is_waited_for() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let stuck = Stuck::begin(kafka).await;
    kafka.alter_topic(&stuck.probe.dead_letters, "max.message.bytes", "500").await;
    stuck.fail().await;
    stuck.nothing_is_committed_past_it("dead_letter_refused").await;
    kafka.alter_topic(&stuck.probe.dead_letters, "max.message.bytes", "100000").await;
    stuck.goes_on().await;
}
