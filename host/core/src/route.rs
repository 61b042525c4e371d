//! What a route says: how its messages are read, ordered, bounded, judged, and where things go.

mod outputs;
mod standard;
mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::envelope::{Envelope, Wrapping};
use crate::event::Trace;
use crate::lanes::Order;
use crate::message::{Message, Record};
use crate::outcome::{Class, Code, Failure};
use crate::output::{Destination, DestinationTraits};
use crate::source::SourceTraits;
use crate::template::Template;
use crate::verdict::Policy;

/// A route: from one source through one handler to its outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: Box<str>,
    /// The service it belongs to; stands in what the host writes.
    pub service: Box<str>,
    /// The consumer group, on Kafka.
    pub group: Option<Box<str>>,
    /// How records are read.
    pub envelope: Envelope,
    /// Event types that the handler takes; all where this is `None`. The type is the attribute `type`.
    pub accept: Option<Vec<Box<str>>>,
    /// What keeps its order.
    pub order: Order,
    /// Attempts at once, at least 1.
    pub concurrency: u32,
    /// How much may be in flight.
    pub bounds: Bounds,
    /// How often a message may have its effects.
    pub delivery: Guarantee,
    /// Whether an event that was handled before is acknowledged without being handled again.
    pub suppress_duplicates: bool,
    /// When the route stops by itself.
    pub breaker: Breaker,
    /// Longest time between a settled record and its commit.
    pub commit_interval: Duration,
    /// Longest metadata of a commit, bytes; [`progress::LIMIT`](crate::progress::LIMIT), or less where the broker takes less.
    pub commit_metadata: usize,
    /// How long a revoked partition may wait for what runs.
    pub release_limit: Duration,
    /// How long the sinks may keep a publication back to send it with others (`linger.ms`).
    pub publish_delay: Duration,
    /// What the source is able to do.
    pub source: SourceTraits,
    /// What to do about failures.
    pub policy: Policy,
    /// Logical outputs by name.
    pub outputs: BTreeMap<Box<str>, OutputRule>,
    /// Where the records of failures go.
    pub dead_letter: DeadLetterRule,
    /// Where the error events go, if anywhere.
    pub errors: Option<Destination>,
}

/// How often a message may have its effects, whatever dies meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guarantee {
    /// Acknowledged before it is handled, and handled once: what a fault interrupts is lost.
    AtMostOnce,
    /// Acknowledged when its effects are durable: what a fault interrupts is repeated.
    #[default]
    AtLeastOnce,
    /// Effects and offsets in one transaction, where source and outputs can.
    ExactlyOnce,
}

/// How much may be received and not covered by a commit, or not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages; at least 1.
    pub messages: u32,
    /// Bytes held in memory, by [`Record::size`]; the last record may go over.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20 }
    }
}

/// Where a logical output goes, and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputRule {
    /// The topic or queue.
    pub destination: Destination,
    /// The envelope to put on.
    pub wrapping: Wrapping,
    /// The key where the handler gives none; the message's key where there is no template either.
    pub key: Option<Template>,
    /// The group on a FIFO queue; the key where there is none.
    pub group: Option<Template>,
    /// The deduplication id on a FIFO queue; the id of the output where there is none.
    pub deduplication: Option<Template>,
    /// Longest key and payload together that the destination takes, in bytes.
    pub max_bytes: usize,
}

/// Where dead letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterRule {
    /// Beside the source of the record: to the topic or queue of the same broker that is called like it, with `.dlq` behind.
    BesideSource {
        /// The broker of the source.
        broker: &'static str,
        /// What the topics or queues there are able to carry.
        traits: DestinationTraits,
    },
    /// To one place.
    To(Destination),
}

impl DeadLetterRule {
    /// Where a dead letter of this record goes.
    pub fn destination(&self, record: &Record) -> Destination {
        self.beside(&record.source)
    }

    /// Where dead letters of this source go.
    pub fn beside(&self, source: &str) -> Destination {
        match self {
            Self::BesideSource { broker, traits } => Destination::new(broker, format!("{source}.dlq"), *traits),
            Self::To(destination) => destination.clone(),
        }
    }
}

impl Route {
    /// Takes the envelope off and checks that the route takes the message.
    ///
    /// # Errors
    /// `malformed` or `unrouted`.
    pub fn admit(&self, record: &Arc<Record>) -> Result<Message, Failure> {
        let message = self.envelope.decode(record)?;
        let Some(accept) = &self.accept else { return Ok(message) };
        let kind = message.attribute("type");
        if kind.is_some_and(|kind| accept.iter().any(|accepted| **accepted == *kind)) {
            return Ok(message);
        }
        let text = match kind {
            Some(kind) => format!("the route takes no event of type `{kind}`"),
            None => "the message has no attribute `type`, which the route selects by".to_owned(),
        };
        Err(Failure::new(Class::Unrouted, Code::NO_ROUTE, text))
    }

    /// The identity of the event in a record, as [`Message::identity`]; `None` where its envelope cannot be read.
    pub fn event_identity(&self, record: &Arc<Record>) -> Option<Box<str>> {
        self.envelope.decode(record).ok().map(|message| message.identity())
    }

    pub(crate) fn is_at_most_once(&self) -> bool {
        self.delivery == Guarantee::AtMostOnce
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.delivery == Guarantee::ExactlyOnce
    }

    /// The ids by which people follow the message.
    pub fn trace(&self, message: &Message) -> Trace {
        trace::of(message)
    }
}

#[cfg(test)]
mod tests;
