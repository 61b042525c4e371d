//! A dead-letter topic. Its log contains letters and, between them, the receipts of replays.

mod commit;
mod lag;
mod log;
mod purge;
mod receipt;
mod replay;
mod replay_states;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::dead_letter::Letter;
use cofferdam_core::message::{Position, Record};
use cofferdam_core::output::Layout;
use cofferdam_core::time::Time;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio_util::sync::CancellationToken;

use crate::broker::kafka::properties;
use crate::broker::{self, kafka};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::outlet::Outlet;
use crate::dead_letters::purge::Survey;
use crate::dead_letters::replay::{Order, Report};
use crate::dead_letters::{DeadLetters, Error, Found, Looked, Next};
pub use lag::Lag;
use receipt::Receipt;
use replay_states::ReplayStates;
pub use target::ToTopics;

/// Time limit of one request.
const LIMIT: Duration = Duration::from_secs(15);

/// The settings to open a topic.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The client id, unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// A topic with the end offsets at the time when it was opened: later records are not read.
pub struct Topic {
    client: ClientConfig,
    name: Arc<str>,
    spans: Vec<Span>,
    states: ReplayStates,
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

/// Returns the consumer group of a dead-letter topic. Its committed offset says that all earlier letters were replayed.
/// It is for lag monitoring and alerts only; a replay uses the receipts.
pub fn group(topic: &str) -> String {
    format!("cofferdam-dlq-{topic}")
}

impl Topic {
    /// Finds the topic and its end offsets, and reads its receipts.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::Destination`], [`Error::Broker`].
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
        let mut topic = Self { client, name, spans, states: ReplayStates::default() };
        let mut records = topic.read();
        while let Some(record) = records.recv().await {
            if let Some((receipt, partition)) = Receipt::read(&record?) {
                topic.states.enter(partition, &receipt);
            }
        }
        Ok(topic)
    }

    fn read(&self) -> log::Records {
        log::read(&self.client, &self.name, &self.spans)
    }

    /// Converts a record to a letter; returns `None` for a receipt.
    fn found(&self, record: &Record) -> Option<Found> {
        if Receipt::read(record).is_some() {
            return None;
        }
        let replays = match record.position {
            Position::Offset { partition, offset } => self.states.replays(partition, offset),
            Position::MessageId(_) => Default::default(),
        };
        let letter = Letter::read(record, Layout::Record);
        let origin = broker::origin_of(&letter, kafka::NAME);
        Some(Found {
            at: kafka::topic(Arc::clone(&self.name)),
            position: record.position.clone(),
            stored: record.timestamp_ms.map(Time::from_millis),
            letter,
            origin,
            redriven: None,
            replays,
        })
    }
}

impl DeadLetters for Topic {
    /// Shows the letters of each partition in order.
    fn look<'a>(&'a self, look: &'a mut dyn FnMut(Found) -> Next) -> LocalBoxFuture<'a, Result<Looked, Error>> {
        async move {
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
        .boxed_local()
    }

    fn replay<'a>(
        &'a self,
        order: &'a Order,
        outlet: &'a mut Outlet,
        stop: &'a CancellationToken,
        report: &'a mut Report,
    ) -> LocalBoxFuture<'a, Result<(), Error>> {
        self.send_back(order, outlet, stop, report).boxed_local()
    }

    fn survey<'a>(&'a self, filter: &'a Filter) -> LocalBoxFuture<'a, Result<Survey, Error>> {
        self.surveyed(filter).boxed_local()
    }

    fn purge<'a>(&'a self, _filter: &'a Filter, survey: &'a Survey) -> LocalBoxFuture<'a, Result<u64, Error>> {
        self.cut(survey).boxed_local()
    }

    fn about(&self) -> u64 {
        self.spans.iter().map(|span| u64::try_from(span.to - span.from).unwrap_or(0)).sum()
    }
}

/// Returns the low watermark and the end offset of each partition of the topic.
fn ends(consumer: &BaseConsumer, name: &Arc<str>) -> Result<Vec<Span>, Error> {
    let doing = "read the offsets of the topic";
    // Request all topics: a request for one topic by name may make the broker create it.
    let metadata = consumer.fetch_metadata(None, LIMIT).map_err(|error| failed(doing, &error))?;
    let found = metadata.topics().iter().find(|topic| topic.name() == &**name && topic.error().is_none());
    let found = found.ok_or_else(|| no_topic(name))?;
    let span = |partition: i32| {
        let (from, to) = consumer.fetch_watermarks(name, partition, LIMIT).map_err(|error| failed(doing, &error))?;
        Ok(Span { partition, from, to })
    };
    found.partitions().iter().map(|partition| span(partition.id())).collect()
}

fn failed(doing: &'static str, error: &KafkaError) -> Error {
    Error::Broker { reason: format!("kafka: failed to {doing}: {error}") }
}

fn no_topic(name: &str) -> Error {
    let remedy = "check the name; `cofferdam run` creates dead-letter topics unless [topics] create is false";
    Error::Destination { reason: format!("topic {name} does not exist"), remedy }
}

impl From<properties::Error> for Error {
    fn from(error: properties::Error) -> Self {
        Self::Configuration { reason: error.to_string(), remedy: "check [kafka] properties" }
    }
}

/// Runs a blocking call of librdkafka on a thread for blocking work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
