//! Where a partition ends behind the last record that anybody may read.
//!
//! Markers of transactions and records of aborted ones have offsets and are never handed over. A group that has handled
//! everything stays behind the end of such a log, and its lag above 0, until the next record. The group's own consumer
//! cannot be asked how far it has read: its position is that of the last record, and with `enable.partition.eof` librdkafka
//! 2.12 takes the end for a record where messages are taken in batches, and loses one. So a consumer that is in no group
//! reads on from where the group is. If the first it hears of a partition is the end, nothing stands between.

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

/// How long brokers may take to answer for all partitions. What is not known by then is asked for again.
const LIMIT: Duration = Duration::from_secs(10);

/// Partitions that are read at once.
const MOST: usize = 100;

/// A partition of which the group has done all that was handed over, and whose log goes on behind that.
#[derive(Debug, Clone)]
pub(super) struct Behind {
    pub(super) partition: Partition,
    /// What the group has committed, if anything.
    pub(super) committed: Option<i64>,
    /// Where it reads on.
    pub(super) from: i64,
    /// The end of the log.
    pub(super) high: i64,
    /// The assignment that this is about.
    pub(super) life: Weak<()>,
}

impl Behind {
    fn place(&self) -> (i64, i64) {
        (self.from, self.high)
    }
}

/// No record that anybody may read stands between where the group reads on and this offset.
#[derive(Debug)]
pub(super) struct End {
    pub(super) of: Behind,
    pub(super) offset: i64,
}

/// Looks for the ends of a consumer's partitions.
pub(super) struct Ends {
    client: ClientConfig,
    route: Box<str>,
    /// Where the group reads on and the end of the log, at the last look.
    seen: BTreeMap<Partition, (i64, i64)>,
    /// Of which all is known that there is to know.
    known: BTreeMap<Partition, (i64, i64)>,
    reading: Option<mpsc::Receiver<Found>>,
}

/// What one reading has brought.
#[derive(Debug, Default)]
struct Found {
    ends: Vec<End>,
    known: Vec<Behind>,
}

impl Ends {
    /// For a consumer of this configuration.
    pub(super) fn new(client: &ClientConfig, route: &str) -> Self {
        let mut client = client.clone();
        client.remove("group.instance.id");
        // Records are not wanted here: little is fetched ahead, and a log that was cut short says nothing.
        let decided = [("enable.partition.eof", "true"), ("auto.offset.reset", "error"), ("queued.min.messages", "1")];
        for (name, value) in decided {
            client.set(name, value);
        }
        let (seen, known) = Default::default();
        Self { client, route: route.into(), seen, known, reading: None }
    }

    /// Takes in which partitions are behind, and reads on for those that were so at the last look.
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
            // Nobody listens any more: then nobody wants to know.
            Ok(found) => drop(tell.send(found)),
            Err(error) => tracing::debug!(%route, %error, "failed to read the ends of partitions"),
        };
        let started = std::thread::Builder::new().name("kafka-ends".into()).spawn(work);
        started.is_ok().then_some(found)
    }

    /// What was found since the last call.
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
        // What is said of no partition is said of a connection, and librdkafka connects again.
        let Some(it) = first.partition().and_then(|partition| open.remove(&partition)) else { continue };
        if let Some(offset) = first.end().filter(|offset| *offset > it.from) {
            found.ends.push(End { of: it, offset });
        } else if first.is_told() {
            found.known.push(it);
        }
    }
    Ok(found)
}

/// The first that a consumer hears of a partition.
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

    /// Where the partition ends, if that is what was said.
    fn end(&self) -> Option<i64> {
        let message = self.native();
        (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF).then_some(message.offset)
    }

    /// Whether it is an end or a record; else it is an error, and another time may tell more.
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
