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
pub enum Destination {
    /// A Kafka topic.
    Kafka(Arc<str>),
    /// An SQS queue, by name; the ending `.fifo` means FIFO.
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
