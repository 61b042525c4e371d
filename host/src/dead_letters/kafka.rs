//! A dead-letter topic: a log with letters, and with the receipts of replays between them.

mod books;
mod commit;
mod lag;
mod log;
mod purge;
mod receipt;
mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::dead_letter::Letter;
use cofferdam_core::message::{Position, Record};
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use super::{Error, Found, Looked, Next};
use crate::kafka::properties;
use books::Books;
pub use lag::Lag;
use receipt::Receipt;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(15);

/// How a topic is reached.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// A topic as it was when it was opened: later records are not seen.
pub struct Topic {
    client: ClientConfig,
    name: Arc<str>,
    spans: Vec<Span>,
    books: Books,
}

/// Part of a partition: offsets `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    partition: i32,
    from: i64,
    to: i64,
}

impl Config {
    fn client(&self, topic: &str) -> Result<ClientConfig, properties::Error> {
        let decided = [
            ("bootstrap.servers", self.bootstrap_servers.as_str()),
            ("client.id", &self.client_id),
            ("group.id", &group(topic)),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
        ];
        properties::client(&[("fetch.wait.max.ms", "50")], &self.properties, &decided)
    }
}

/// The consumer group whose offsets say how far a topic's letters are dealt with: every earlier one was replayed. It is
/// for tools that show lag and for the alert; a replay goes by the receipts.
pub fn group(topic: &str) -> String {
    format!("cofferdam-dlq-{topic}")
}

impl Topic {
    /// Finds the topic and its ends, and reads the receipts in it.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::NoTopic`], [`Error::Kafka`].
    pub async fn open(config: Config, name: Arc<str>) -> Result<Self, Error> {
        let client = config.client(&name)?;
        let spans = blocking({
            let (client, name) = (client.clone(), Arc::clone(&name));
            move || {
                let consumer: BaseConsumer = client.create().map_err(|error| failed("create a consumer", &error))?;
                ends(&consumer, &name)
            }
        });
        let spans = spans.await?;
        let mut topic = Self { client, name, spans, books: Books::default() };
        let mut records = topic.read();
        while let Some(record) = records.recv().await {
            if let Some((receipt, partition)) = Receipt::read(&record?) {
                topic.books.enter(partition, &receipt);
            }
        }
        Ok(topic)
    }

    /// Shows every letter, in the order of its partition.
    pub(super) async fn look(&self, look: &mut dyn FnMut(Found) -> Next) -> Result<Looked, Error> {
        let mut looked = Looked::default();
        let mut records = self.read();
        while let Some(record) = records.recv().await {
            let record = record?;
            let Some(found) = self.found(&record) else { continue };
            looked.seen += 1;
            if look(found) == Next::Enough {
                break;
            }
        }
        Ok(looked)
    }

    pub(super) fn records(&self) -> u64 {
        self.spans.iter().map(|span| u64::try_from(span.to - span.from).unwrap_or(0)).sum()
    }

    fn read(&self) -> log::Records {
        log::read(&self.client, &self.name, &self.spans)
    }

    /// The letter of a record; `None` for a receipt.
    fn found(&self, record: &Record) -> Option<Found> {
        if Receipt::read(record).is_some() {
            return None;
        }
        let replays = match record.position {
            Position::Offset { partition, offset } => self.books.replays(partition, offset),
            Position::MessageId(_) => Default::default(),
        };
        Some(Found {
            at: Destination::Kafka(Arc::clone(&self.name)),
            position: record.position.clone(),
            stored: record.timestamp_ms.map(Time::from_millis),
            letter: Letter::read(record),
            redriven: None,
            replays,
        })
    }
}

/// What the topic holds now.
fn ends(consumer: &BaseConsumer, name: &Arc<str>) -> Result<Vec<Span>, Error> {
    let doing = "read the offsets of the topic";
    // Asked for one topic by name, a broker may make it.
    let metadata = consumer.fetch_metadata(None, LIMIT).map_err(|error| failed(doing, &error))?;
    let found = metadata.topics().iter().find(|topic| topic.name() == &**name && topic.error().is_none());
    let found = found.ok_or_else(|| Error::NoTopic(Arc::clone(name)))?;
    let span = |partition: i32| {
        let (from, to) = consumer.fetch_watermarks(name, partition, LIMIT).map_err(|error| failed(doing, &error))?;
        Ok(Span { partition, from, to })
    };
    found.partitions().iter().map(|partition| span(partition.id())).collect()
}

fn failed(doing: &'static str, error: &KafkaError) -> Error {
    Error::Kafka { doing, reason: error.to_string().into() }
}

/// The calls of librdkafka wait by blocking.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
