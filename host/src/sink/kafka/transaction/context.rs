//! What comes back from the broker for the messages of a transaction.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::event::{Aborted, DeliveryId, Refusal};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use super::super::delivery::refusal;
use super::super::native::InFlight;
use super::super::topic::Topic;
use crate::kafka::journal::Journal;

/// What travels with a message.
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) index: u32,
    pub(super) topic: Arc<Topic>,
}

/// The producer's context: remembers the first message of a transaction that was refused.
pub(super) struct Context {
    journal: Journal,
    refused: Mutex<Option<Aborted>>,
}

impl Default for Context {
    fn default() -> Self {
        Self { journal: Journal::new("transactions"), refused: Mutex::default() }
    }
}

impl Context {
    /// A new transaction begins.
    pub(super) fn clear(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first refusal since, as what became of the transaction.
    pub(super) fn rejection(&self) -> Option<Aborted> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.journal.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.journal.error(&error, text);
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = Box<InFlight<Sent>>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight<Sent>>) {
        let Sent { delivery, index, topic } = in_flight.sent;
        let error = match result {
            Ok(message) => return topic.count(rdkafka::Message::partition(message)),
            Err((error, _)) => error,
        };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let aborted = match refusal(code, topic.name()) {
            Refusal::Unavailable(reason) => Aborted::Unavailable(reason),
            Refusal::Rejected(code, text) => Aborted::Rejected { delivery, index, code, text },
        };
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(aborted);
    }
}
