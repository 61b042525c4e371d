//! Taking the envelope off a record, and putting one on an output.

mod cloudevents;
mod json;
mod object;

use std::sync::Arc;

use bytes::Bytes;

pub use cloudevents::is_attribute_name;
pub use json::{Paths, Pointer};

use crate::message::{Headers, Message, Record};
use crate::outcome::{Class, Code, Failure};

/// How a route reads its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Envelope {
    /// CloudEvents 1.0, structured or binary, each record as it says itself.
    CloudEvents,
    /// A JSON object with attributes at configured paths.
    Json(Paths),
    /// The bytes are the payload; there are no attributes.
    #[default]
    Raw,
}

/// How an output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wrapping {
    /// Payload and headers as the handler gave them.
    #[default]
    Raw,
    /// A CloudEvent: binary on Kafka, structured on SQS, where attributes are few.
    CloudEvents,
}

/// Why an envelope could not be read: for people, in the words of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::new(Class::Malformed, Code::MALFORMED_ENVELOPE, malformed.0)
    }
}

impl Envelope {
    /// Takes the envelope off. The payload shares the record's bytes wherever it stands in them as it is.
    ///
    /// # Errors
    /// When the record is not what the format asks for.
    pub fn decode(&self, record: &Arc<Record>) -> Result<Message, Malformed> {
        match self {
            Self::CloudEvents => cloudevents::decode(record),
            Self::Json(paths) => json::decode(record, paths),
            Self::Raw => Ok(Arc::clone(record).into()),
        }
    }
}

/// An output inside its envelope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wrapped {
    pub(crate) headers: Headers,
    pub(crate) payload: Option<Bytes>,
}

pub(crate) use cloudevents::{Event, binary, structured};

#[cfg(test)]
mod tests;
