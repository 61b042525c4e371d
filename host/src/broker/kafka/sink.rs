//! The Kafka sink: one producer for the whole process.
//!
//! A publication is durable when all in-sync replicas have it (`acks=all`). Retries inside librdkafka make no second copy
//! (`enable.idempotence`). Publishing never waits: librdkafka queues the message, a thread serves the delivery reports, and
//! each report settles the ticket of its message.

mod delivery;
mod native;
mod refusal;
mod served;
mod topic;
pub mod transaction;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cofferdam_core::event::Refusal;
use cofferdam_core::outcome::Code;
use cofferdam_core::output::Publication;
use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use crate::broker::kafka::headers;
use crate::broker::kafka::properties;
use crate::sink::{Busy, Sink, Ticket};
use delivery::{Context, Sent};
use native::Outgoing;
use refusal::{Answer, refusal};
use served::Served;
use topic::Topic;

/// Time between two checks of a flush.
const LOOK: Duration = Duration::from_millis(5);

/// The largest message that a producer sends, in bytes. The limit of the topic must decide: a client that refuses a message
/// that the topic accepts would keep a record from its dead-letter topic. The value is below the largest request that a
/// broker reads by default (`socket.request.max.bytes`, 100 MiB) and below the queue of the producer.
const MESSAGE_MAX_BYTES: &str = "100000000";

/// Defaults of librdkafka properties that users may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("compression.type", "snappy"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    // A bound in addition to those of the routes; librdkafka's default is 1 GiB.
    ("queue.buffering.max.kbytes", "131072"),
];

/// The settings of the producer of this process.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// The reason for which the producer was not created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property is invalid or not allowed.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka does not create a producer with these settings.
    #[error("failed to create a producer: {reason}")]
    Client {
        /// The error text of librdkafka.
        reason: Box<str>,
    },
}

/// The producer; clones share it.
#[derive(Clone)]
pub struct Kafka(Arc<Shared>);

struct Shared {
    producer: Served<Context>,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
}

impl Config {
    /// Creates the producer. Connects in the background, so a broker that is down is no error.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`].
    pub fn build(self) -> Result<Kafka, Error> {
        let client = self.client()?;
        let context = Context::new(client.clone(), self.alone());
        let producer = Served::start(&client, context).map_err(|reason| Error::Client { reason })?;
        Ok(Kafka(Arc::new(Shared { producer, topics: RwLock::default() })))
    }

    /// Returns the properties that differ for messages that are sent in a batch of their own. Messages over the size limit
    /// of the main producer are sent so: with a higher limit there, librdkafka would allocate larger buffers for all
    /// batches.
    fn alone(&self) -> Vec<(&'static str, &'static str)> {
        let is_given = |name: &str| self.properties.contains_key(name);
        let mut alone = vec![("batch.num.messages", "1"), ("linger.ms", "0")];
        if !is_given("message.max.bytes") {
            alone.push(("message.max.bytes", MESSAGE_MAX_BYTES));
        }
        // The broker may have accepted the original of a dead letter in a better compression than our default.
        if !is_given("compression.type") && !is_given("compression.codec") {
            alone.push(("compression.type", "zstd"));
        }
        alone
    }

    fn client(&self) -> Result<ClientConfig, properties::Error> {
        let decided = [
            ("bootstrap.servers", self.bootstrap_servers.as_str()),
            ("client.id", &self.client_id),
            ("acks", "all"),
            ("enable.idempotence", "true"),
        ];
        properties::client(DEFAULTS, &self.properties, &decided)
    }
}

impl Kafka {
    /// Publishes as [`Sink::publish`] does, into this partition; `None` means the partition of the key. If the partition
    /// does not exist, the ticket gets [`Refusal::Unavailable`].
    ///
    /// # Errors
    /// [`Busy`], with the ticket.
    pub fn publish_to(
        &self,
        publication: &Publication,
        partition: Option<i32>,
        ticket: Ticket,
    ) -> Result<(), (Ticket, Busy)> {
        let name = &publication.destination.name;
        let Some(topic) = self.0.topic(name) else {
            let text = format!("invalid topic name {name:?}");
            ticket.settle(Err(Refusal::Rejected(Code::INVALID_RESULT, text.into())));
            return Ok(());
        };
        let outgoing = || Outgoing {
            topic: topic.native_name(),
            partition,
            key: publication.key.as_deref(),
            payload: publication.payload.clone(),
            timestamp_ms: publication.timestamp_ms,
            headers: headers::Owned::of(&publication.headers),
        };
        let producer = self.0.producer.native();
        let sent = Sent::new(ticket, Arc::clone(&topic), partition);
        let produced = native::produce(producer, outgoing(), sent).or_else(|(code, sent)| match code {
            RDKafkaErrorCode::MessageSizeTooLarge => producer.context().produce_alone(outgoing(), sent, code),
            _ => Err((code, sent)),
        });
        match produced {
            Ok(()) => Ok(()),
            Err((RDKafkaErrorCode::QueueFull, sent)) => Err((sent.into_ticket(), Busy)),
            Err((code, sent)) => {
                let answer = Answer::of_client(publication.key.is_some());
                sent.into_ticket().settle(Err(refusal(code, name, &answer)));
                Ok(())
            }
        }
    }

    /// Returns the number of unanswered publications. Reports that are just being served may count twice.
    pub fn outstanding(&self) -> usize {
        usize::try_from(self.0.producer.in_flight()).unwrap_or(0)
    }
}

impl Sink for Kafka {
    /// Never blocks. The ticket is settled when the broker has answered, at the latest after `delivery.timeout.ms`: 5
    /// minutes by default, without a limit if 0.
    ///
    /// A message that is too large or otherwise permanently invalid gets [`Refusal::Rejected`], any other failure
    /// [`Refusal::Unavailable`].
    fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        self.publish_to(publication, None, ticket)
    }

    /// Returns the fatal error of librdkafka, from which an idempotent producer does not recover. Every publication is
    /// [`Refusal::Unavailable`] after it.
    fn failure(&self) -> Option<Box<str>> {
        self.0.producer.failure()
    }

    fn flush(&self, limit: Duration) -> BoxFuture<'_, usize> {
        async move {
            let until = Instant::now() + limit;
            loop {
                let outstanding = self.outstanding();
                if outstanding == 0 || Instant::now() >= until {
                    return outstanding;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>, limit: Duration) -> BoxFuture<'static, usize> {
        async move { self.flush(limit).await }.boxed()
    }
}

impl Shared {
    fn topic(&self, name: &Arc<str>) -> Option<Arc<Topic>> {
        if let Some(topic) = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(topic));
        }
        let topic = Arc::new(Topic::new(name)?);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(topics.entry(Arc::clone(name)).or_insert(topic)))
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}
