//! Kafka as the world sees it: messages written, what is left to do, what stands there at the end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cofferdam_guarantees::{Effect, RecordId};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::found::{Found, error_event, output};
use super::stage::{Names, Part};
use super::workload::{Message, Workload};
use super::writer::Taken;
use crate::config::Kafka;
use crate::exit::{Exit, Problem};
use crate::kafka::properties;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(15);

/// For how long a broker that is busy with itself, or away, is asked again.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two such questions.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a topic that is read may have nothing to say.
const SILENCE: Duration = Duration::from_secs(60);

/// Records on their way at most.
const ON_THEIR_WAY: usize = 1000;

/// Writes messages to the topic that the hosts read.
pub(super) struct Writer {
    producer: FutureProducer,
    topic: String,
    /// Number, lane.
    on_their_way: VecDeque<(u64, String, DeliveryFuture)>,
}

impl Writer {
    pub(super) fn new(kafka: &Kafka, names: &Names) -> Result<Self, Problem> {
        let decided = [("acks", "all"), ("enable.idempotence", "true"), ("linger.ms", "5")];
        let producer = client(kafka, &decided)?.create().map_err(|error| unavailable(&error))?;
        Ok(Self { producer, topic: names.topic(Part::In), on_their_way: VecDeque::new() })
    }

    /// Takes a message on its way behind all before.
    pub(super) async fn write(&mut self, number: u64, message: &Message, taken: &mut Taken) -> Result<(), Problem> {
        let record = FutureRecord::to(&self.topic).key(&message.key).payload(&message.payload);
        let sent = self.producer.send_result(record).map_err(|(error, _)| unavailable(&error))?;
        self.on_their_way.push_back((number, lane(message.key.as_bytes()), sent));
        if self.on_their_way.len() >= ON_THEIR_WAY { self.arrive(taken).await } else { Ok(()) }
    }

    /// Waits until everything written is there. Records of one key arrive in the order in which they were written.
    pub(super) async fn arrive(&mut self, taken: &mut Taken) -> Result<(), Problem> {
        while let Some((number, lane, sent)) = self.on_their_way.pop_front() {
            let delivered = sent.await.map_err(|_| Problem::new(Exit::Unavailable, "the producer has stopped", ""))?;
            let delivery = delivered.map_err(|(error, _)| unavailable(&error))?;
            taken.tell(number, lane, record(&self.topic, delivery.partition, delivery.offset))?;
        }
        Ok(())
    }
}

/// Looks from outside at what the hosts do. Its calls block.
pub(super) struct Reader {
    client: ClientConfig,
    group: BaseConsumer,
    name: String,
    topics: [String; 4],
}

impl Reader {
    pub(super) fn new(kafka: &Kafka, names: &Names) -> Result<Self, Problem> {
        let decided = [
            ("group.id", &*names.stem),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("fetch.wait.max.ms", "50"),
        ];
        let client = client(kafka, &decided)?;
        let group = client.create().map_err(|error| unavailable(&error))?;
        Ok(Self { client, group, name: names.stem.clone(), topics: Part::ALL.map(|part| names.topic(part)) })
    }

    /// Records that the group has not committed, by partition: the next offset it reads, and the end.
    pub(super) fn outstanding(&self) -> Result<Vec<(i32, i64, i64)>, Problem> {
        let mut asked = TopicPartitionList::new();
        for partition in self.partitions(&self.topics[0])? {
            asked.add_partition(&self.topics[0], partition);
        }
        let committed = patiently(|| self.group.committed_offsets(asked.clone(), REQUEST))?;
        let mut outstanding = Vec::new();
        for element in committed.elements() {
            let (_, end) = patiently(|| self.group.fetch_watermarks(&self.topics[0], element.partition(), REQUEST))?;
            let next = if let Offset::Offset(offset) = element.offset() { offset } else { 0 };
            if next < end {
                outstanding.push((element.partition(), next, end));
            }
        }
        Ok(outstanding)
    }

    /// Reads outputs, dead letters and error events from the first to the last, and what is left of the input.
    pub(super) fn read(&self, workload: &Workload, found: &mut Found) -> Result<(), Problem> {
        let [input, out, dead, errors] = &self.topics;
        for (partition, next, end) in self.outstanding()? {
            for offset in next..end {
                found.outstanding(record(input, partition, offset))?;
            }
        }
        self.read_topic(
            out,
            true,
            |message| {
                let (record, index) = message.payload().and_then(output)?;
                Some((record, Effect::Output(index)))
            },
            found,
        )?;
        self.read_topic(dead, true, |message| dead_letter(message, workload), found)?;
        self.read_topic(errors, false, |message| Some((error_event(message.payload()?)?, Effect::ErrorEvent)), found)
    }

    fn read_topic(
        &self,
        topic: &str,
        keyed: bool,
        recognise: impl Fn(&BorrowedMessage<'_>) -> Option<(RecordId, Effect)>,
        found: &mut Found,
    ) -> Result<(), Problem> {
        let mut client = self.client.clone();
        client.set("group.id", format!("{}-reader", self.name));
        let consumer: BaseConsumer = client.create().map_err(|error| unavailable(&error))?;
        let mut open = self.partitions(topic)?;
        let mut from_the_start = TopicPartitionList::new();
        for partition in &open {
            let added = from_the_start.add_partition_offset(topic, *partition, Offset::Beginning);
            added.map_err(|error| unavailable(&error))?;
        }
        consumer.assign(&from_the_start).map_err(|error| unavailable(&error))?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            match consumer.poll(Duration::from_millis(100)) {
                None if heard.elapsed() > SILENCE => {
                    let what = format!("failed to read {topic} to the end of its partitions {open:?}");
                    return Err(Problem::new(Exit::Unavailable, what, ""));
                }
                None => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|it| *it != partition),
                Some(Err(error)) => tracing::debug!(topic, %error, "reading"),
                // Those of one key are in one partition, in order.
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let place = record(topic, message.partition(), message.offset());
                    let lane = message.key().map(lane).filter(|_| keyed);
                    found.take(recognise(&message), lane, &place)?;
                }
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<Vec<i32>, Problem> {
        let metadata = patiently(|| self.group.fetch_metadata(Some(topic), REQUEST))?;
        let topics = metadata.topics().iter().flat_map(|topic| topic.partitions());
        Ok(topics.map(|partition| partition.id()).collect())
    }
}

/// The answer to a question to a broker, which may be asked again.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, Problem> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(error) if Instant::now() < until => {
                tracing::debug!(%error, "a broker is asked again");
                std::thread::sleep(AGAIN);
            }
            answered => return answered.map_err(|error| unavailable(&error)),
        }
    }
}

/// The original to the last byte, and the record that it says it comes from.
fn dead_letter(message: &BorrowedMessage<'_>, workload: &Workload) -> Option<(RecordId, Effect)> {
    let number = workload.recognise(message.payload()?)?;
    let original = workload.message(number);
    let header = |name: &str| {
        let header = message.headers()?.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok().map(str::to_owned)
    };
    let record = format!("{}/{}", header("cofferdam-dlq-source")?, header("cofferdam-dlq-position")?);
    (message.key() == Some(original.key.as_bytes())).then_some((record.into(), Effect::DeadLetter))
}

/// The lane of a key.
fn lane(key: &[u8]) -> String {
    format!("kafka:{}", String::from_utf8_lossy(key))
}

fn record(topic: &str, partition: i32, offset: i64) -> RecordId {
    format!("{topic}/{partition}/{offset}").into()
}

fn client(kafka: &Kafka, decided: &[(&str, &str)]) -> Result<ClientConfig, Problem> {
    let bootstrap = [("bootstrap.servers", &*kafka.bootstrap_servers)];
    let decided: Vec<_> = bootstrap.iter().chain(decided).copied().collect();
    let client = properties::client(&[("client.id", "cofferdam-verify")], &kafka.properties.0, &decided);
    client.map_err(|error| Problem::new(Exit::Configuration, error.to_string(), "").at("kafka.properties"))
}

fn unavailable(error: &KafkaError) -> Problem {
    Problem::new(Exit::Unavailable, format!("kafka: {error}"), "")
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn a_broker_that_does_not_answer_once_ends_no_run() {
        let mut left = 2;
        let answered = patiently(|| {
            left -= 1;
            if left > 0 { Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut)) } else { Ok(7) }
        });
        assert_eq!(answered.ok(), Some(7));
    }
}
