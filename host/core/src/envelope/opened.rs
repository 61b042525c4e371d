//! A record whose envelope is decoded at most once.

use std::sync::{Arc, OnceLock};

use super::{Envelope, Malformed};
use crate::message::{Message, Record};

/// A record and the message that its envelope contains.
///
/// The envelope is decoded when the message is first asked for. The result stays, a malformed envelope included. Once it
/// is decoded, the machine, a worker and a log line may share it.
#[derive(Debug)]
pub struct Opened {
    record: Arc<Record>,
    message: OnceLock<Result<Message, Malformed>>,
}

impl Opened {
    /// A record of which nothing is decoded.
    pub fn new(record: Arc<Record>) -> Self {
        Self { record, message: OnceLock::new() }
    }

    /// The record, byte for byte.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// The message. `envelope` is the one of the route, the same in each call.
    ///
    /// # Errors
    /// When the record violates the format.
    pub fn message(&self, envelope: &Envelope) -> Result<&Message, &Malformed> {
        self.message.get_or_init(|| envelope.decode(&self.record)).as_ref()
    }

    /// Whether the envelope was decoded, well or not.
    pub fn is_decoded(&self) -> bool {
        self.message.get().is_some()
    }

    /// Bytes that the decoded envelope needs beside the record; 0 as long as it is not decoded.
    pub fn size(&self) -> usize {
        match self.message.get() {
            None => 0,
            Some(Ok(message)) => message.own_size(),
            Some(Err(malformed)) => malformed.0.len(),
        }
    }
}
