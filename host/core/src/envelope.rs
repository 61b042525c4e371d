//! Decoding the envelopes of records, and encoding the envelopes of outputs.

mod cloudevents;
mod json;
mod object;
mod opened;

use std::sync::Arc;

use bytes::Bytes;

pub use cloudevents::is_attribute_name;
pub use json::{Paths, Pointer};
pub use opened::Opened;

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
    /// A CloudEvent: binary on Kafka; structured on SQS, because an SQS message can have only a few attributes.
    CloudEvents,
}

/// The reason why an envelope is malformed, as text in the terms of the format.
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
        #[cfg(test)]
        counted::note(self);
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

/// How many envelopes this thread has decoded, for tests that count. Raw records have none.
#[cfg(test)]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local! { static DECODED: Cell<usize> = const { Cell::new(0) } }

    pub(super) fn note(envelope: &super::Envelope) {
        DECODED.set(DECODED.get() + usize::from(*envelope != super::Envelope::Raw));
    }

    /// So many since the last call.
    pub(crate) fn take() -> usize {
        DECODED.take()
    }
}

#[cfg(test)]
mod tests;
