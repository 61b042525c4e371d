//! What comes back from the broker for the messages of a transaction.

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

/// What travels with a message.
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) index: u32,
    pub(super) topic: Arc<Topic>,
}

/// The producer's context: remembers the first message of a transaction that was refused.
pub(super) struct Context {
    journal: Journal,
    refused: Mutex<Option<Rejection>>,
}

/// A message of a transaction that was refused.
#[derive(Debug, Clone)]
struct Rejection {
    aborted: Aborted,
    /// Another message of the same batch may be the cause.
    is_doubtful: bool,
}

impl Context {
    /// For the transactions of this route.
    pub(super) fn new(route: &str) -> Self {
        Self { journal: Journal::of_route("transactions", route), refused: Mutex::default() }
    }

    /// A new transaction begins.
    pub(super) fn clear(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first refusal since, as what became of the transaction.
    pub(super) fn aborted(&self) -> Option<Aborted> {
        self.rejection().map(|rejection| rejection.aborted)
    }

    /// Whether the message that was refused first may be innocent.
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
