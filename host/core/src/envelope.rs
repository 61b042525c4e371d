//! Decoding the envelopes of records, and encoding the envelopes of outputs.

mod cloudevents;
mod json;
mod object;

use std::sync::Arc;

use bytes::Bytes;

pub use cloudevents::is_attribute_name;
pub use json::{Paths, Pointer};

use crate::message::{Headers, Message, Record};
use crate::outcome::{Class, Code, Failure};

/// The envelope of a route's records.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Envelope {
    /// CloudEvents 1.0; each record declares whether it is structured or binary.
    CloudEvents,
    /// A JSON object with attributes at configured paths.
    Json(Paths),
    /// The bytes are the payload, without attributes.
    #[default]
    Raw,
}

/// The envelope of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wrapping {
    /// Payload and headers as the handler returned them.
    #[default]
    Raw,
    /// A CloudEvent: binary on Kafka, structured on SQS, where attributes are few.
    CloudEvents,
}

/// The reason why an envelope is malformed, for people, in the terms of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::new(Class::Malformed, Code::MALFORMED_ENVELOPE, malformed.0)
    }
}

impl Envelope {
    /// Decodes the envelope. The payload shares the record's bytes if it occurs in them unchanged.
    ///
    /// # Errors
    /// When the record violates the format.
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
