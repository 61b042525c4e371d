//! Records as received from the broker, and messages as handlers see them.
//!
//! A record stays unchanged until it is settled, because a dead letter is built from it. Key and payload are shared, not
//! copied, until they enter the sandbox.

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
    /// The source topic or queue.
    pub source: Arc<str>,
    /// The position in the source.
    pub position: Position,
    /// The Kafka key, or the SQS message group.
    pub key: Option<Bytes>,
    /// Kafka headers or SQS message attributes, in order; names may repeat.
    pub headers: Headers,
    /// The value; `None` is a tombstone, which differs from an empty value.
    pub payload: Option<Bytes>,
    /// The broker's timestamp, in milliseconds since the Unix epoch, if any.
    pub timestamp_ms: Option<u64>,
}

/// The position of a record in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Kafka: partition and offset.
    Offset {
        /// Partition number, from 0.
        partition: i32,
        /// Offset in the partition, from 0.
        offset: i64,
    },
    /// SQS: the message id.
    MessageId(Box<str>),
}

impl Record {
    /// Size for in-flight bounds, in bytes: key, value, header names and values, and 32 for each header.
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

    /// An id that is equal in every delivery of this record: `topic/partition/offset`, or the SQS message id.
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

/// A message for a handler: a record with its envelope decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The id, equal at every attempt and delivery: the event id of the envelope, else the id of the record.
    pub id: Arc<str>,
    /// The scope in which the id is unique.
    pub unique: Unique,
    /// The decoded record, with source, position, key, headers and timestamp.
    pub record: Arc<Record>,
    /// Context attributes of the envelope; empty for raw.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The payload of the envelope; `None` is a tombstone.
    pub payload: Option<Bytes>,
}

impl Position {
    /// A value that displays as this text.
    pub fn of(text: &str) -> Self {
        let offset = text.split_once('/').and_then(|(partition, offset)| {
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            Some(Self::Offset { partition, offset })
        });
        offset.unwrap_or_else(|| Self::MessageId(text.into()))
    }
}

/// The scope in which event ids are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unique {
    /// Everywhere: the id is the record's own.
    #[default]
    Record,
    /// Within the record's topic or queue.
    Source,
    /// Within the attribute `source`, as CloudEvents defines.
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
    /// by their lengths, so a crafted id cannot imitate another event.
    ///
    /// A record without an event id is identified by position and timestamp, because a recreated topic reuses positions for
    /// other records.
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

    /// Bytes that the message needs beside its record: names and values of attributes, and 32 for each; the id of the envelope;
    /// the payload if it is not part of the record's.
    pub fn own_size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        let id = if self.unique == Unique::Record { 0 } else { self.id.len() };
        let payload = self.payload.as_ref().filter(|payload| !self.shares(payload));
        attributes + id + payload.map_or(0, Bytes::len)
    }

    fn shares(&self, payload: &Bytes) -> bool {
        let (part, all) = (payload.as_ptr_range(), self.record.payload.as_ref().map(|bytes| bytes.as_ptr_range()));
        payload.is_empty() || all.is_some_and(|all| all.start <= part.start && part.end <= all.end)
    }

    /// The value of the attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
}
