//! A record as the broker gave it, and the message that a handler sees.
//!
//! The record is kept untouched from the moment it arrives until it is settled: a dead letter is made of
//! it, whatever the handler saw. Key and payload are shared, never copied, until they enter the sandbox.

mod header;
mod headers;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use header::{Header, Kind};
pub use headers::{Headers, Iter, Written};

/// A record of a Kafka topic or a message of an SQS queue, byte for byte as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The topic or queue it came from.
    pub source: Arc<str>,
    /// Where it stands there.
    pub position: Position,
    /// The Kafka key, or the SQS message group.
    pub key: Option<Bytes>,
    /// Kafka headers or SQS message attributes, in order; names may repeat.
    pub headers: Headers,
    /// The value; `None` is a tombstone, which is not the same as an empty value.
    pub payload: Option<Bytes>,
    /// The broker's time, in milliseconds since the Unix epoch, where it gave one.
    pub timestamp_ms: Option<u64>,
}

/// Where a record stands in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Kafka: partition and offset.
    Offset {
        /// Partition number, from 0.
        partition: i32,
        /// Offset in the partition, from 0.
        offset: i64,
    },
    /// SQS: the message id that the queue gave it.
    MessageId(Box<str>),
}

impl Record {
    /// Bytes of memory that this record stands for: key, value, header names and values, and 32 for each header.
    pub fn size(&self) -> usize {
        self.headers.size() + self.key.as_ref().map_or(0, Bytes::len) + self.payload.as_ref().map_or(0, Bytes::len)
    }

    /// The value of the last header called `name`, if it is text.
    pub fn text_header(&self, name: &str) -> Option<&str> {
        self.headers.text(name)
    }

    /// The offset, on Kafka.
    pub fn offset(&self) -> Option<i64> {
        match self.position {
            Position::Offset { offset, .. } => Some(offset),
            Position::MessageId(_) => None,
        }
    }

    /// An id that is the same whenever this record is received again: `topic/partition/offset`, or the SQS message id.
    pub fn id(&self) -> String {
        match &self.position {
            Position::Offset { partition, offset } => {
                // Once for each message, and in a third of the time of `format!`.
                let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
                [&*self.source, "/", first.format(*partition), "/", second.format(*offset)].concat()
            }
            Position::MessageId(id) => id.to_string(),
        }
    }
}

/// `<partition>/<offset>`, or the SQS message id.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset { partition, offset } => write!(f, "{partition}/{offset}"),
            Self::MessageId(id) => f.write_str(id),
        }
    }
}

/// What a handler sees: a record with its envelope taken off.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The same at every attempt and every receipt: of the event where the envelope carries one, else of the record.
    pub id: Arc<str>,
    /// Where no other event has this id.
    pub unique: Unique,
    /// The record it was decoded from: source, position, key, headers and timestamp are read there.
    pub record: Arc<Record>,
    /// Context attributes of the envelope; empty for raw.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// What the envelope carried; `None` is a tombstone.
    pub payload: Option<Bytes>,
}

impl Position {
    /// What prints as this text.
    pub fn of(text: &str) -> Self {
        let offset = text.split_once('/').and_then(|(partition, offset)| {
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            Some(Self::Offset { partition, offset })
        });
        offset.unwrap_or_else(|| Self::MessageId(text.into()))
    }
}

/// Where no two events have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unique {
    /// Everywhere: the id is the record's own.
    #[default]
    Record,
    /// Within the record's topic or queue.
    Source,
    /// Within the attribute `source`, as CloudEvents says.
    Attribute,
}

impl From<Arc<Record>> for Message {
    /// The record as it is, without an envelope.
    fn from(record: Arc<Record>) -> Self {
        Self {
            id: record.id().into(),
            unique: Unique::Record,
            payload: record.payload.clone(),
            record,
            attributes: Vec::new(),
        }
    }
}

impl Message {
    /// The identity of the event: equal for two messages if and only if they carry the same event. Its parts are delimited
    /// by their lengths, so no event can pass for another by the letters of its id.
    ///
    /// A record without an event id is known by its place and its timestamp: a topic that was deleted and created again has
    /// the same places, with other records.
    pub fn identity(&self) -> Box<str> {
        let within = match self.unique {
            Unique::Record => {
                let time = self.record.timestamp_ms.filter(|_| self.record.offset().is_some());
                return format!("record {} {}", time.unwrap_or_default(), self.id).into();
            }
            Unique::Source => &*self.record.source,
            Unique::Attribute => self.attribute("source").unwrap_or_default(),
        };
        let kind = if self.unique == Unique::Source { "id" } else { "event" };
        format!("{kind} {} {within} {}", within.len(), self.id).into()
    }

    /// The value of the attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
}
