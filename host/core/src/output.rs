//! Outputs of handlers, and publications of the host.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::Headers;

/// An output as the handler returned it; the route maps it to a [`Publication`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// A name from the route's outputs.
    pub to: Box<str>,
    /// The key; without one, the route's template or the message's key applies.
    pub key: Option<Bytes>,
    /// Headers, in order.
    pub headers: Headers,
    /// Attributes for the route's templates and the envelope.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Bytes>,
}

impl Output {
    /// Size for limits, in bytes: key, payload, header and attribute names and values, and 32 for each header and attribute.
    pub fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| 32 + name.len() + value.len()).sum();
        let key = self.key.as_ref().map_or(0, Bytes::len);
        self.headers.size() + attributes + key + self.payload.as_ref().map_or(0, Bytes::len)
    }
}

/// An output, a dead letter or an error event in the form for its broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The destination.
    pub destination: Destination,
    /// The Kafka key; not used on SQS.
    pub key: Option<Bytes>,
    /// Kafka headers or SQS message attributes.
    pub headers: Headers,
    /// The value; on SQS a tombstone becomes an empty body.
    pub payload: Option<Bytes>,
    /// The timestamp in milliseconds since the Unix epoch; `None`: the broker sets it.
    pub timestamp_ms: Option<u64>,
    /// SQS FIFO: the message group.
    pub group: Option<Box<str>>,
    /// SQS FIFO: the deduplication id.
    pub deduplication: Option<Box<str>>,
}

impl Publication {
    /// Bytes in memory: key, payload and headers.
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        self.headers.size() + length(&self.key) + length(&self.payload)
    }
}

/// A topic or a queue to write to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// The broker, by its name in the configuration, for example `kafka`.
    pub broker: &'static str,
    /// The topic or queue.
    pub name: Arc<str>,
    /// The abilities, determined when the name is read.
    pub traits: DestinationTraits,
}

/// The abilities of a destination. The core checks these and never the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationTraits {
    /// The layout of its messages.
    pub layout: Layout,
    /// Whether it keeps the order of each message group and drops repeated deduplication ids: a FIFO queue.
    pub fifo: bool,
}

/// The parts of a message besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// A record: a key, and any number of headers, which keep their order and have no types.
    Record,
    /// A message: a few typed attributes without an order, and no key.
    Attributes,
}

impl DestinationTraits {
    /// A log of records, such as a Kafka topic.
    pub const LOG: Self = Self { layout: Layout::Record, fifo: false };

    /// A queue of messages with attributes, such as one of SQS.
    pub const fn queue(fifo: bool) -> Self {
        Self { layout: Layout::Attributes, fifo }
    }
}

impl Destination {
    /// A topic or queue called `name` at `broker`.
    pub fn new(broker: &'static str, name: impl Into<Arc<str>>, traits: DestinationTraits) -> Self {
        Self { broker, name: name.into(), traits }
    }

    /// Whether it is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.traits.fifo
    }

    /// The layout of its messages.
    pub fn layout(&self) -> Layout {
        self.traits.layout
    }
}

/// `kafka:orders.priced` or `sqs:tasks.fifo`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.broker, self.name)
    }
}

/// Destinations of tests.
#[cfg(test)]
pub(crate) mod samples {
    use super::{Destination, DestinationTraits};

    pub(crate) fn topic(name: &str) -> Destination {
        Destination::new("kafka", name, DestinationTraits::LOG)
    }

    pub(crate) fn queue(name: &str) -> Destination {
        Destination::new("sqs", name, DestinationTraits::queue(name.ends_with(".fifo")))
    }
}
