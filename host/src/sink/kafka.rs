//! Kafka as a sink: one producer for the whole process.
//!
//! A publication is durable when all in-sync replicas have it (`acks=all`), and its retries inside librdkafka leave no
//! second copy (`enable.idempotence`). Nothing here waits: librdkafka queues, a thread of its own serves the answers,
//! and each settles the tickets that travelled with its messages.

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
use cofferdam_core::output::{Destination, Publication};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use super::{Busy, Ticket};
use crate::kafka::headers;
use crate::kafka::properties;
use delivery::{Context, Sent};
use native::Outgoing;
use refusal::{Answer, refusal};
use served::Served;
use topic::Topic;

/// Time between two looks while a flush waits.
const LOOK: Duration = Duration::from_millis(5);

/// The largest message that a producer hands to a broker. The limits of topics are to decide: a client that refuses what a
/// topic takes keeps a record from its dead letters. Below the largest request that a broker reads by default
/// (`socket.request.max.bytes`, 100 MiB) and below the producer's queue.
const MESSAGE_MAX_BYTES: &str = "100000000";

/// What users may change, by property. Requirement K1, and:
const DEFAULTS: &[(&str, &str)] = &[
    ("compression.type", "snappy"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    // A second bound behind the routes' own: the default is a gigabyte.
    ("queue.buffering.max.kbytes", "131072"),
];

/// The producer of this process.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// Why there is no producer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka makes no producer of this.
    #[error("failed to create a producer: {reason}")]
    Client {
        /// What librdkafka says.
        reason: Box<str>,
    },
}

/// The producer; clones share it.
#[derive(Clone)]
pub struct Kafka(Arc<Shared>);

struct Shared {
    producer: Served,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
}

impl Config {
    /// Makes the producer. Asks no broker: one that is down is waited for.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`].
    pub fn build(self) -> Result<Kafka, Error> {
        let client = self.client()?;
        let context = Context::new(client.clone(), self.alone());
        let producer = Served::start(&client, context).map_err(|reason| Error::Client { reason })?;
        Ok(Kafka(Arc::new(Shared { producer, topics: RwLock::default() })))
    }

    /// What differs for messages that are sent alone. They include those over the limit of the producer for all: with a higher
    /// one, librdkafka would give the buffer of each batch more room.
    fn alone(&self) -> Vec<(&'static str, &'static str)> {
        let is_given = |name: &str| self.properties.contains_key(name);
        let mut alone = vec![("batch.num.messages", "1"), ("linger.ms", "0")];
        if !is_given("message.max.bytes") {
            alone.push(("message.max.bytes", MESSAGE_MAX_BYTES));
        }
        // The original of a dead letter may have been compressed better than by our default.
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
    /// Takes a publication to a Kafka topic on its way; never blocks. The ticket is settled when the broker has
    /// answered: at the latest after `delivery.timeout.ms`, 5 minutes where nothing else was set.
    ///
    /// Too large or invalid for good is [`Refusal::Rejected`], all else [`Refusal::Unavailable`].
    ///
    /// # Errors
    /// [`Busy`], with the ticket.
    pub fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        self.publish_to(publication, None, ticket)
    }

    /// The same into this partition; into that of the key where it is `None`. One that is not there is
    /// [`Refusal::Unavailable`].
    ///
    /// # Errors
    /// [`Busy`], with the ticket.
    pub fn publish_to(
        &self,
        publication: &Publication,
        partition: Option<i32>,
        ticket: Ticket,
    ) -> Result<(), (Ticket, Busy)> {
        let Destination::Kafka(name) = &publication.destination else {
            let text = format!("{} is not a topic", publication.destination);
            ticket.settle(Err(Refusal::Rejected(Code::INTERNAL, text.into())));
            return Ok(());
        };
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

    /// Waits until every publication has been answered, at most `limit`; returns how many have not been.
    pub async fn flush(&self, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        loop {
            let outstanding = self.outstanding();
            if outstanding == 0 || Instant::now() >= until {
                return outstanding;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Publications on their way. Answers that are just being served may count twice.
    pub fn outstanding(&self) -> usize {
        usize::try_from(self.0.producer.in_flight()).unwrap_or(0)
    }

    /// Why nothing can be published any more, where that is so: librdkafka has met an error from which an idempotent
    /// producer does not recover. Every publication is [`Refusal::Unavailable`] from then on.
    pub fn failure(&self) -> Option<Box<str>> {
        self.0.producer.failure()
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
