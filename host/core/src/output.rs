//! What a handler asks for, and what leaves the host.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::Headers;

/// An output as the handler gave it; nothing leaves before the route has mapped it to a [`Publication`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// A name from the route's outputs.
    pub to: Box<str>,
    /// The key; the route's template or the message's key where there is none.
    pub key: Option<Bytes>,
    /// Headers, in order.
    pub headers: Headers,
    /// For the route's templates and the envelope.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Bytes>,
}

impl Output {
    /// Bytes it counts for: key, payload, header and attribute names and values, and 32 for each header and attribute.
    pub fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| 32 + name.len() + value.len()).sum();
        let key = self.key.as_ref().map_or(0, Bytes::len);
        self.headers.size() + attributes + key + self.payload.as_ref().map_or(0, Bytes::len)
    }
}

/// Something to make durable: an output, a dead letter or an error event, ready for its broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Where it goes.
    pub destination: Destination,
    /// The Kafka key; not used on SQS.
    pub key: Option<Bytes>,
    /// Kafka headers or SQS message attributes.
    pub headers: Headers,
    /// The value; on SQS a tombstone becomes an empty body.
    pub payload: Option<Bytes>,
    /// The timestamp to write, milliseconds since the Unix epoch; the broker's own where there is none.
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
pub enum Destination {
    /// A Kafka topic.
    Kafka(Arc<str>),
    /// An SQS queue, by name; one that ends in `.fifo` is FIFO.
    Sqs(Arc<str>),
}

impl Destination {
    /// The topic or queue.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Kafka(name) | Self::Sqs(name) => name,
        }
    }
}

/// `kafka:orders.priced` or `sqs:tasks.fifo`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka(topic) => write!(f, "kafka:{topic}"),
            Self::Sqs(queue) => write!(f, "sqs:{queue}"),
        }
    }
}
