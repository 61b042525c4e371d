//! Reads the records in the topics of a run.

use std::time::{Duration, Instant};

use cofferdam_core::dead_letter::profile::cofferdam;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::client::{client, record, unavailable};
use crate::broker::kafka::settings::Settings;
use crate::broker::verify::{Item, Names, PATIENCE, Part, Stored};
use crate::exit::{Exit, Problem};

/// Time limit of one request.
const REQUEST: Duration = Duration::from_secs(15);

/// Time between two requests to a broker that does not respond.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a topic may return no record before the read fails.
const SILENCE: Duration = Duration::from_secs(60);

/// Reads topics and offsets for the report. Its calls block.
pub(super) struct Reader {
    client: ClientConfig,
    group: BaseConsumer,
    names: Names,
    input: String,
}

impl Reader {
    pub(super) fn new(settings: &Settings, names: &Names) -> Result<Self, Problem> {
        let decided = [
            ("group.id", &*names.stem),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("fetch.wait.max.ms", "50"),
        ];
        let client = client(settings, &decided)?;
        let group = client.create().map_err(|error| unavailable(&error))?;
        Ok(Self { client, group, names: names.clone(), input: names.name(Part::In) })
    }

    /// Returns the number of records that the group has not committed.
    pub(super) fn left(&self) -> Result<u64, Problem> {
        let outstanding = self.outstanding()?;
        Ok(outstanding.iter().map(|(_, next, end)| (end - next).unsigned_abs()).sum())
    }

    /// Returns the records that the group has not committed, by partition: the next offset to read, and the end offset.
    fn outstanding(&self) -> Result<Vec<(i32, i64, i64)>, Problem> {
        let mut asked = TopicPartitionList::new();
        for partition in self.partitions(&self.input)? {
            asked.add_partition(&self.input, partition);
        }
        let committed = patiently(|| self.group.committed_offsets(asked.clone(), REQUEST))?;
        let mut outstanding = Vec::new();
        for element in committed.elements() {
            let (_, end) = patiently(|| self.group.fetch_watermarks(&self.input, element.partition(), REQUEST))?;
            let next = if let Offset::Offset(offset) = element.offset() { offset } else { 0 };
            if next < end {
                outstanding.push((element.partition(), next, end));
            }
        }
        Ok(outstanding)
    }

    /// Reads outputs, dead letters and error events from the first to the last, and the uncommitted records of the
    /// input.
    pub(super) fn read(&self, to: &mpsc::Sender<Item>) -> Result<(), Problem> {
        for (partition, next, end) in self.outstanding()? {
            for offset in next..end {
                give(to, Item::Outstanding(record(&self.input, partition, offset)))?;
            }
        }
        [Part::Out, Part::Dead, Part::Errors].into_iter().try_for_each(|part| self.read_topic(part, to))
    }

    fn read_topic(&self, part: Part, to: &mpsc::Sender<Item>) -> Result<(), Problem> {
        let topic = &*self.names.name(part);
        let mut client = self.client.clone();
        client.set("group.id", format!("{}-reader", self.names.stem));
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
                // Records with the same key are in one partition, in order.
                Some(Ok(message)) => {
                    heard = Instant::now();
                    give(to, Item::Stored(stored(part, &message)))?;
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

fn give(to: &mpsc::Sender<Item>, item: Item) -> Result<(), Problem> {
    to.blocking_send(item).map_err(|_| Problem::new(Exit::Unavailable, "nobody receives what was read", ""))
}

fn stored(part: Part, message: &BorrowedMessage<'_>) -> Stored {
    Stored {
        part,
        place: record(message.topic(), message.partition(), message.offset()),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        origin: origin(message).filter(|_| part == Part::Dead),
    }
}

/// Returns the id of the record that a dead letter names as its origin.
fn origin(message: &BorrowedMessage<'_>) -> Option<String> {
    let header = |name: &str| {
        let header = message.headers()?.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok().map(str::to_owned)
    };
    let (source, position) = (cofferdam::header(cofferdam::SOURCE), cofferdam::header(cofferdam::POSITION));
    Some(format!("{}/{}", header(&source)?, header(&position)?))
}

/// Repeats a request until the broker answers, for at most [`PATIENCE`].
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, Problem> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(error) if Instant::now() < until => {
                tracing::debug!(%error, "request to the broker failed; retrying");
                std::thread::sleep(AGAIN);
            }
            answered => return answered.map_err(|error| unavailable(&error)),
        }
    }
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
