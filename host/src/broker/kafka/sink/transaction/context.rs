//! Delivery reports for the messages of a transaction.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::event::{Aborted, DeliveryId, Refusal};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use super::super::native::InFlight;
use super::super::refusal::{Answer, refusal};
use super::super::topic::Topic;
use crate::broker::kafka::journal::Journal;

/// The data that a message carries through librdkafka.
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) index: u32,
    pub(super) topic: Arc<Topic>,
}

/// The context of the producer. It keeps the first refused message of a transaction.
pub(super) struct Context {
    journal: Journal,
    refused: Mutex<Option<Rejection>>,
}

/// A refused message of a transaction.
#[derive(Debug, Clone)]
struct Rejection {
    aborted: Aborted,
    /// Whether another message of the same batch may be the cause.
    is_doubtful: bool,
}

impl Context {
    /// Creates the context for the transactions of this route.
    pub(super) fn new(route: &str) -> Self {
        Self { journal: Journal::of_route("transactions", route), refused: Mutex::default() }
    }

    /// Forgets the refusal, because a new transaction begins.
    pub(super) fn clear(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the first refusal since the transaction began, as the result of the transaction.
    pub(super) fn aborted(&self) -> Option<Aborted> {
        self.rejection().map(|rejection| rejection.aborted)
    }

    /// Returns whether another message may have caused the first refusal.
    pub(super) fn is_doubtful(&self) -> bool {
        self.rejection().is_some_and(|rejection| rejection.is_doubtful)
    }

    fn rejection(&self) -> Option<Rejection> {
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
        let (error, message) = match result {
            Ok(message) => return topic.count(rdkafka::Message::partition(message)),
            Err((error, message)) => (error, message),
        };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        // SAFETY: the message is alive as long as the result, and nobody changes it.
        let answer = Answer::of(unsafe { &*message.ptr() });
        let is_doubtful = answer.may_concern_another(code);
        let aborted = match refusal(code, topic.name(), &answer) {
            Refusal::Unavailable(reason) => Aborted::Unavailable(reason),
            Refusal::Rejected(code, text) => Aborted::Rejected { delivery, index, code, text },
        };
        let rejection = Rejection { aborted, is_doubtful };
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(rejection);
    }
}
