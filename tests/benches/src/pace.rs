//! Messages at a pace of their own, whoever may be slow: an open loop. What a message waits for is counted from the moment at
//! which it was due, so that a pause of the contestant, or of the generator, is felt by all messages that fall into it.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use kit::Host;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::course::Course;
use crate::{load, process};

/// How long a contestant may take to start and to join its group.
const START: Duration = Duration::from_secs(120);
/// When nothing has come out for that long, nothing will.
const QUIET: Duration = Duration::from_secs(30);
/// Different payloads; they are made before the clock runs.
const PAYLOADS: u32 = 1_000;
/// How long the generator's client waits for more, in milliseconds: what is due in the same millisecond goes out together.
const LINGER: &str = "0.5";
/// The header with the number of a message, 4 bytes.
const NUMBER: &str = "number";
/// The number of those that are sent to see whether somebody reads.
const FIRST: u32 = u32::MAX;

/// What is offered, and when.
pub(crate) struct Pace {
    /// Messages a second; those of a millisecond are due together.
    pub(crate) rate: u32,
    /// Messages in all.
    pub(crate) messages: u32,
    /// How many of them warm everybody up and do not count.
    pub(crate) warm_up: u32,
    /// What the message with this number is.
    pub(crate) kind: fn(u32) -> Kind,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It comes out as it is.
    Plain,
    /// The handler never ends; it has a key of its own.
    Loop,
    /// There is none: its turn passes.
    Absent,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Passed {
    /// From when a message was due until its output was read, microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// How late the generator was, microseconds; part of the latency.
    pub(crate) late_us: Histogram<u64>,
    /// Outputs a second, from when the first was due until the last was read.
    pub(crate) rate: f64,
    /// Processor time of the contestant's process for each output, microseconds.
    pub(crate) cpu_us: f64,
}

/// What the generator knows.
struct Sent {
    begin: Instant,
    late_us: Histogram<u64>,
    /// What the contestant had used when the warm-up was over.
    before: process::Usage,
}

impl Pace {
    /// When that message is due, counted from the first.
    fn due(&self, number: u32) -> Duration {
        Duration::from_millis(u64::from(number) * 1_000 / u64::from(self.rate))
    }

    /// The numbers of those that come out.
    fn plain(&self) -> impl Iterator<Item = u32> {
        (0..self.messages).filter(|number| (self.kind)(*number) == Kind::Plain)
    }

    /// Lets the host that was just started copy it; it still runs afterwards.
    ///
    /// # Errors
    /// Where something else comes out than what went in.
    pub(crate) async fn measure(&self, course: &Course<'_>, host: &Host) -> anyhow::Result<Passed> {
        let passed = tokio::task::block_in_place(|| self.pass(course, host.id()));
        let passed = passed.with_context(|| format!("it said {:#?}", host.stderr()))?;
        // With the one that was sent to see whether somebody reads. The reader has left when it had one of each.
        let (there, due) = (course.count().await, self.plain().count() + 1);
        anyhow::ensure!(usize::try_from(there) == Ok(due), "{there} outputs of {due}");
        Ok(passed)
    }

    fn pass(&self, course: &Course<'_>, host: u32) -> anyhow::Result<Passed> {
        let (tell, ready) = mpsc::channel();
        let (sent, arrivals) = thread::scope(|scope| {
            let reader = scope.spawn(|| self.read(course, tell));
            (self.send(course, &ready, host), reader.join())
        });
        // Where the reader fails, so does the generator, which waits for it.
        let arrivals = arrivals.map_err(|_| anyhow::anyhow!("the reader has panicked"))??;
        let sent = sent?;
        let after = process::usage(host)?;

        let missing = self.plain().filter(|number| arrivals[*number as usize].is_none()).count();
        anyhow::ensure!(missing == 0, "{missing} messages have not come out");
        let counted = self.plain().filter(|number| *number >= self.warm_up);
        let mut latency_us = histogram()?;
        let (mut count, mut last) = (0, sent.begin);
        for number in counted {
            let Some(arrival) = arrivals[number as usize] else { continue };
            latency_us.record(micros(arrival.saturating_duration_since(sent.begin + self.due(number))))?;
            last = last.max(arrival);
            count += 1;
        }
        let since = sent.begin + self.due(self.warm_up);
        Ok(Passed {
            latency_us,
            late_us: sent.late_us,
            rate: f64::from(count) / last.saturating_duration_since(since).as_secs_f64(),
            cpu_us: (after.cpu - sent.before.cpu).as_secs_f64() * 1e6 / f64::from(count),
        })
    }

    /// Sends each message when it is due, once somebody reads.
    fn send(&self, course: &Course<'_>, ready: &mpsc::Receiver<()>, host: u32) -> anyhow::Result<Sent> {
        let mut config = course.kafka.client();
        config.set("enable.idempotence", "true").set("linger.ms", LINGER);
        let producer: BaseProducer = config.create()?;
        let payloads: Vec<String> = (0..PAYLOADS).map(|number| load::payload(number, 1_024)).collect();
        append(&producer, course.input, FIRST, "first", &payloads[0], false)?;
        producer.flush(START)?;
        ready.recv_timeout(START).context("the contestant does not begin")?;

        let (mut late_us, mut before) = (histogram()?, None);
        let begin = Instant::now();
        for number in 0..self.messages {
            let kind = (self.kind)(number);
            if kind == Kind::Absent {
                continue;
            }
            if number >= self.warm_up && before.is_none() {
                before = Some(process::usage(host)?);
            }
            let due = begin + self.due(number);
            if Instant::now() < due {
                producer.poll(Duration::ZERO);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let key = match kind {
                Kind::Loop => format!("poison-{number}"),
                Kind::Plain | Kind::Absent => load::key(number, load::KEYS),
            };
            let payload = &payloads[(number % PAYLOADS) as usize];
            append(&producer, course.input, number, &key, payload, kind == Kind::Loop)?;
            if number >= self.warm_up {
                late_us.record(micros(due.elapsed()))?;
            }
        }
        producer.flush(START)?;
        let before = before.context("nothing but a warm-up")?;
        Ok(Sent { begin, late_us, before })
    }

    /// When each output was there, by number. Ends when all are, or when nothing comes any more.
    fn read(&self, course: &Course<'_>, ready: mpsc::Sender<()>) -> anyhow::Result<Vec<Option<Instant>>> {
        let mut config = course.kafka.client();
        config.set("group.id", kit::unique("bench-reader")).set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "5").set("fetch.queue.backoff.ms", "1");
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(Some(course.output), START)?;
        let mut partitions = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            partitions.add_partition_offset(course.output, partition.id(), Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;

        let mut arrivals = vec![None; self.messages as usize];
        let mut open = self.plain().count();
        let mut quiet_at = Instant::now() + START;
        while open > 0 && Instant::now() < quiet_at {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let (message, now) = (message?, Instant::now());
            quiet_at = now + QUIET;
            match number(&message).context("an output without its number")? {
                FIRST => ready.send(()).context("two of what was sent first")?,
                number => {
                    let arrival = arrivals.get_mut(number as usize).context("an output that nobody sent")?;
                    anyhow::ensure!(arrival.is_none(), "message {number} has come out twice");
                    *arrival = Some(now);
                    open -= 1;
                }
            }
        }
        Ok(arrivals)
    }
}

impl Passed {
    /// That percentile of the latency, milliseconds.
    pub(crate) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency_us.value_at_percentile(percentile) as f64 / 1e3
    }

    /// How late the generator was with one message in a hundred, milliseconds.
    pub(crate) fn late_ms(&self) -> f64 {
        self.late_us.value_at_percentile(99.0) as f64 / 1e3
    }
}

fn append(
    producer: &BaseProducer,
    topic: &str,
    number: u32,
    key: &str,
    payload: &str,
    endless: bool,
) -> anyhow::Result<()> {
    let mut headers = OwnedHeaders::new_with_capacity(load::HEADERS.len() + 2);
    for (key, value) in load::HEADERS {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers = headers.insert(Header { key: NUMBER, value: Some(&number.to_le_bytes()) });
    if endless {
        headers = headers.insert(Header { key: "do", value: Some("loop") });
    }
    let mut record = BaseRecord::to(topic).key(key).payload(payload).headers(headers);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => record = again,
            Err((error, _)) => return Err(error.into()),
        }
        producer.poll(Duration::from_millis(1));
    }
}

fn number(message: &impl Message) -> Option<u32> {
    let header = message.headers()?.iter().find(|header| header.key == NUMBER)?;
    Some(u32::from_le_bytes(header.value?.try_into().ok()?))
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new(3)?) // digits that count
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_millisecond_are_due_together() {
        let pace = Pace { rate: 2_000, messages: 10, warm_up: 0, kind: |_| Kind::Plain };
        assert_eq!([0, 1, 2, 3, 1_999, 2_000].map(|number| pace.due(number).as_millis()), [0, 0, 1, 1, 999, 1_000]);
        let slow = Pace { rate: 400, ..pace };
        assert_eq!([0, 1, 2, 400].map(|number| slow.due(number).as_millis()), [0, 2, 5, 1_000]);
    }
}
