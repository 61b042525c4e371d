//! Finds partitions that have no readable record between the position of the group and the end of the log.
//!
//! Transaction markers and records of aborted transactions have offsets but are never returned. A group that has
//! processed everything stays behind the end of such a log, with a lag above 0, until the next record. The consumer of
//! the group cannot tell how far it has read: its position is that of the last record, and with `enable.partition.eof`
//! librdkafka 2.12 counts the end as a record when messages are taken in batches, and loses one. So a consumer without
//! a group reads from the position of the group. If the first event of a partition is its end, there is no readable
//! record in between.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::{Weak, mpsc};
use std::time::{Duration, Instant};

use cofferdam_core::event::Partition;
use rdkafka::bindings::{
    rd_kafka_consumer_poll, rd_kafka_message_destroy, rd_kafka_message_t, rd_kafka_t, rd_kafka_topic_name,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaRespErr::{RD_KAFKA_RESP_ERR__PARTITION_EOF, RD_KAFKA_RESP_ERR_NO_ERROR};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::context::Context;

/// Time limit for all partitions together. Partitions without an answer are read again later.
const LIMIT: Duration = Duration::from_secs(10);

/// The largest number of partitions that are read at once.
const MOST: usize = 100;

/// A partition whose returned records are all committed, and whose log has further offsets.
#[derive(Debug, Clone)]
pub(super) struct Behind {
    pub(super) partition: Partition,
    /// The committed offset of the group, if any.
    pub(super) committed: Option<i64>,
    /// The next offset that the group reads.
    pub(super) from: i64,
    /// The end offset of the log.
    pub(super) high: i64,
    /// The assignment that this belongs to.
    pub(super) life: Weak<()>,
}

impl Behind {
    fn place(&self) -> (i64, i64) {
        (self.from, self.high)
    }
}

/// No readable record is between the position of the group and this offset.
#[derive(Debug)]
pub(super) struct End {
    pub(super) of: Behind,
    pub(super) offset: i64,
}

/// Finds the ends of the partitions of a consumer.
pub(super) struct Ends {
    client: ClientConfig,
    route: Box<str>,
    /// Position of the group and end offset, at the last check.
    seen: BTreeMap<Partition, (i64, i64)>,
    /// Position and end offset of partitions that need no further read.
    known: BTreeMap<Partition, (i64, i64)>,
    reading: Option<mpsc::Receiver<Found>>,
}

/// The result of one read.
#[derive(Debug, Default)]
struct Found {
    ends: Vec<End>,
    known: Vec<Behind>,
}

impl Ends {
    /// Creates the finder for a consumer with this configuration.
    pub(super) fn new(client: &ClientConfig, route: &str) -> Self {
        let mut client = client.clone();
        client.remove("group.instance.id");
        // The records themselves are not needed: fetch little ahead. A truncated log gives an error, not an end.
        let decided = [("enable.partition.eof", "true"), ("auto.offset.reset", "error"), ("queued.min.messages", "1")];
        for (name, value) in decided {
            client.set(name, value);
        }
        let (seen, known) = Default::default();
        Self { client, route: route.into(), seen, known, reading: None }
    }

    /// Takes the partitions that are behind now, and reads those that were behind in the same way at the last check.
    pub(super) fn look(&mut self, behind: Vec<Behind>) {
        let now: BTreeMap<_, _> = behind.iter().map(|it| (it.partition.clone(), it.place())).collect();
        self.known.retain(|partition, place| now.get(partition) == Some(place));
        let is_in =
            |places: &BTreeMap<Partition, (i64, i64)>, it: &Behind| places.get(&it.partition) == Some(&it.place());
        let due = |it: &Behind| is_in(&self.seen, it) && !is_in(&self.known, it);
        let due: Vec<Behind> = behind.into_iter().filter(due).take(MOST).collect();
        self.seen = now;
        if !due.is_empty() && self.reading.is_none() {
            self.reading = self.read(due);
        }
    }

    fn read(&self, behind: Vec<Behind>) -> Option<mpsc::Receiver<Found>> {
        let (tell, found) = mpsc::channel();
        let (client, route) = (self.client.clone(), self.route.clone());
        let work = move || match read(&client, &route, behind) {
            // If the receiver was dropped, nobody needs the error.
            Ok(found) => drop(tell.send(found)),
            Err(error) => tracing::debug!(%route, %error, "failed to read the ends of partitions"),
        };
        let started = std::thread::Builder::new().name("kafka-ends".into()).spawn(work);
        started.is_ok().then_some(found)
    }

    /// Returns the ends found since the last call.
    pub(super) fn found(&mut self) -> Vec<End> {
        match self.reading.as_ref().map(mpsc::Receiver::try_recv) {
            None | Some(Err(mpsc::TryRecvError::Empty)) => return Vec::new(),
            Some(Err(mpsc::TryRecvError::Disconnected)) => self.reading = None,
            Some(Ok(found)) => {
                self.reading = None;
                self.known.extend(found.known.into_iter().map(|it| (it.partition.clone(), it.place())));
                return found.ends;
            }
        }
        Vec::new()
    }
}

fn read(client: &ClientConfig, route: &str, behind: Vec<Behind>) -> KafkaResult<Found> {
    let consumer: BaseConsumer<Context> = BaseConsumer::from_config_and_context(client, Context::new(client, route))?;
    let mut list = TopicPartitionList::with_capacity(behind.len());
    for it in &behind {
        list.add_partition_offset(&it.partition.topic, it.partition.number, Offset::Offset(it.from))?;
    }
    consumer.assign(&list)?;
    let mut open: BTreeMap<Partition, Behind> = behind.into_iter().map(|it| (it.partition.clone(), it)).collect();
    let mut found = Found::default();
    let until = Instant::now() + LIMIT;
    while !open.is_empty() && Instant::now() < until {
        let Some(first) = First::poll(consumer.client().native_ptr(), Duration::from_millis(100)) else { continue };
        // An event without a partition concerns a connection, and librdkafka reconnects.
        let Some(it) = first.partition().and_then(|partition| open.remove(&partition)) else { continue };
        if let Some(offset) = first.end().filter(|offset| *offset > it.from) {
            found.ends.push(End { of: it, offset });
        } else if first.is_told() {
            found.known.push(it);
        }
    }
    Ok(found)
}

/// The first event of a partition.
struct First(NonNull<rd_kafka_message_t>);

impl First {
    fn poll(client: *mut rd_kafka_t, limit: Duration) -> Option<Self> {
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client is alive; the message that comes is ours to destroy.
        NonNull::new(unsafe { rd_kafka_consumer_poll(client, limit) }).map(Self)
    }

    fn native(&self) -> &rd_kafka_message_t {
        // SAFETY: it is ours until `drop`, and nobody changes it.
        unsafe { self.0.as_ref() }
    }

    fn partition(&self) -> Option<Partition> {
        let message = self.native();
        if message.rkt.is_null() {
            return None;
        }
        // SAFETY: the message holds its topic, whose name is a C string that lives as long.
        let topic = unsafe { CStr::from_ptr(rd_kafka_topic_name(message.rkt)) };
        Some(Partition { topic: topic.to_string_lossy().into(), number: message.partition })
    }

    /// Returns the end offset if the event is the end of the partition.
    fn end(&self) -> Option<i64> {
        let message = self.native();
        (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF).then_some(message.offset)
    }

    /// Returns whether the event is an end or a record. Otherwise it is an error, and a later read may succeed.
    fn is_told(&self) -> bool {
        let err = self.native().err;
        err == RD_KAFKA_RESP_ERR__PARTITION_EOF || err == RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

impl Drop for First {
    fn drop(&mut self) {
        // SAFETY: it is ours, and this is the only place that destroys it.
        unsafe { rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}
