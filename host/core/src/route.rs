//! Routes: rules for reading, ordering, bounding and judging messages, and their destinations.

mod outputs;
mod standard;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::envelope::{Envelope, Malformed, Opened, Wrapping};
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
    /// The service of the route; part of the host's headers.
    pub service: Box<str>,
    /// The consumer group, on Kafka.
    pub group: Option<Box<str>>,
    /// The envelope of records.
    pub envelope: Envelope,
    /// Accepted event types (attribute `type`); `None` accepts all.
    pub accept: Option<Vec<Box<str>>>,
    /// The scope of ordering.
    pub order: Order,
    /// Concurrent attempts, at least 1.
    pub concurrency: u32,
    /// The bound on messages in flight.
    pub bounds: Bounds,
    /// The delivery guarantee.
    pub delivery: Guarantee,
    /// Whether events handled before are acknowledged without a call of the handler.
    pub suppress_duplicates: bool,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// Longest time between a settled record and its commit.
    pub commit_interval: Duration,
    /// Longest commit metadata in bytes; [`progress::LIMIT`](crate::progress::LIMIT), or less if the broker accepts less.
    pub commit_metadata: usize,
    /// The revoke timeout: the time that a revoked partition waits for running attempts.
    pub revoke_timeout: Duration,
    /// The time for which sinks may delay a publication to batch it (`linger.ms`).
    pub publish_delay: Duration,
    /// The word of the configuration for the broker of the source.
    pub broker: &'static str,
    /// The abilities of the source.
    pub source: SourceTraits,
    /// The rules for failures.
    pub policy: Policy,
    /// Logical outputs by name.
    pub outputs: BTreeMap<Box<str>, OutputRule>,
    /// The destination of dead letters.
    pub dead_letter: DeadLetterRule,
    /// The destination of error events, if any.
    pub errors: Option<Destination>,
}

/// The delivery guarantee: how often the effects of a message occur under faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guarantee {
    /// Acknowledged before handling; a fault loses messages in hand.
    AtMostOnce,
    /// Acknowledged once its effects are durable; a fault repeats messages in hand.
    #[default]
    AtLeastOnce,
    /// Effects and offsets in one transaction, if source and outputs support it.
    ExactlyOnce,
}

/// The bound on messages that are received and not yet covered by a commit or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages; at least 1.
    pub messages: u32,
    /// Bytes held in memory: records, by [`Record::size`], outputs, and decoded envelopes that wait for another attempt. The
    /// last record may exceed the bound.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20 }
    }
}

/// The destination and format of a logical output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputRule {
    /// The topic or queue.
    pub destination: Destination,
    /// The envelope of the output.
    pub wrapping: Wrapping,
    /// The template of the key for outputs without one; without a template, the message's key applies.
    pub key: Option<Template>,
    /// The template of the message group on a FIFO queue; without one, the key applies.
    pub group: Option<Template>,
    /// The template of the deduplication id on a FIFO queue; without one, the id of the output applies.
    pub deduplication: Option<Template>,
    /// Largest size of key and payload together that the destination accepts, in bytes.
    pub max_bytes: usize,
}

/// The rule for the destination of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterRule {
    /// The topic or queue of the same broker with the name of the source and the suffix `.dlq`.
    BesideSource {
        /// The broker of the source.
        broker: &'static str,
        /// The abilities of its topics or queues.
        traits: DestinationTraits,
    },
    /// One destination for all.
    To(Destination),
}

impl DeadLetterRule {
    /// The destination of a dead letter of this record.
    pub fn destination(&self, record: &Record) -> Destination {
        self.beside(&record.source)
    }

    /// The destination of dead letters of this source.
    pub fn beside(&self, source: &str) -> Destination {
        match self {
            Self::BesideSource { broker, traits } => Destination::new(broker, format!("{source}.dlq"), *traits),
            Self::To(destination) => destination.clone(),
        }
    }
}

impl Route {
    /// Checks that the route accepts the message. Decodes the envelope if nobody has done so.
    ///
    /// # Errors
    /// `malformed` or `unrouted`.
    pub fn admit<'a>(&self, opened: &'a Opened) -> Result<&'a Message, Failure> {
        let message = opened.message(&self.envelope).map_err(Malformed::clone)?;
        let Some(accept) = &self.accept else { return Ok(message) };
        let kind = message.attribute("type");
        if kind.is_some_and(|kind| accept.iter().any(|accepted| **accepted == *kind)) {
            return Ok(message);
        }
        let text = match kind {
            Some(kind) => format!("the route does not accept events of type `{kind}`"),
            None => "the message has no attribute `type`; the route accepts events by type".to_owned(),
        };
        Err(Failure::new(Class::Unrouted, Code::NO_ROUTE, text))
    }

    /// The identity of the event in a record, as [`Message::identity`]; `None` if its envelope is malformed. Decodes the
    /// envelope if nobody has done so.
    pub fn event_identity(&self, opened: &Opened) -> Option<Box<str>> {
        opened.message(&self.envelope).ok().map(Message::identity)
    }

    pub(crate) fn is_at_most_once(&self) -> bool {
        self.delivery == Guarantee::AtMostOnce
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.delivery == Guarantee::ExactlyOnce
    }

    /// Ids for tracing the message.
    pub fn trace(&self, message: &Message) -> Trace {
        trace::of(message)
    }
}

#[cfg(test)]
mod tests;
