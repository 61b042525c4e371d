//! What comes back from the broker, on the producer's own thread.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cofferdam_core::event::Refusal;
use rdkafka::ClientConfig;
use rdkafka::bindings::{rd_kafka_message_t, rd_kafka_t};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use super::native::{self, InFlight, Outgoing};
use super::refusal::{Answer, refusal};
use super::served::Served;
use super::topic::Topic;
use crate::kafka::headers::Borrowed;
use crate::kafka::journal::Journal;
use crate::kafka::revival::Revival;
use crate::sink::Ticket;

/// What travels with a message through librdkafka.
pub(super) struct Sent {
    ticket: Ticket,
    topic: Arc<Topic>,
    partition: Option<i32>,
}

impl Sent {
    pub(super) fn new(ticket: Ticket, topic: Arc<Topic>, partition: Option<i32>) -> Self {
        Self { ticket, topic, partition }
    }

    pub(super) fn into_ticket(self) -> Ticket {
        self.ticket
    }
}

/// The producer's context.
pub(super) struct Context {
    journal: Journal,
    revival: Revival,
    failure: OnceLock<Box<str>>,
    /// How a producer is made that sends every message in a request of its own; `None` in that one.
    alone: Option<ClientConfig>,
    sends_alone: OnceLock<Option<Served>>,
    /// What is known of messages, until it is handed over.
    answers: Answers,
}

impl Context {
    /// For a producer of this configuration; `alone` is what differs for messages that are sent alone.
    pub(super) fn new(client: ClientConfig, alone: Vec<(&str, &str)>) -> Self {
        let all = Self::for_one_alone(&client);
        let alone = alone.into_iter().fold(client, |mut client, (name, value)| {
            client.set(name, value);
            client
        });
        Self { alone: Some(alone), ..all }
    }

    fn for_one_alone(client: &ClientConfig) -> Self {
        Self {
            journal: Journal::new("producer"),
            revival: Revival::new(client),
            failure: OnceLock::new(),
            alone: None,
            sends_alone: OnceLock::new(),
            answers: Answers::default(),
        }
    }

    pub(super) fn failure(&self) -> Option<Box<str>> {
        let alone = || self.sends_alone.get()?.as_ref()?.failure();
        self.failure.get().cloned().or_else(alone)
    }

    /// Messages on their way in requests of their own.
    pub(super) fn in_flight_alone(&self) -> i32 {
        self.sends_alone.get().and_then(Option::as_ref).map_or(0, Served::in_flight)
    }

    /// Tells the client of its bootstrap servers again, should it have forgotten all brokers.
    pub(super) fn revive(&self, client: *mut rd_kafka_t) {
        self.revival.look(client);
    }

    /// Settles the tickets of what has been answered.
    pub(super) fn hand_over(&self) {
        self.answers.hand_over();
    }

    /// A broker answers for a whole batch, and one record can be the cause. Each record is sent once more, in a batch of its
    /// own, and the answer to that is about this record. Records of one partition keep their order among each other; one
    /// that was not in the batch may overtake them.
    fn send_alone(
        &self,
        message: &rd_kafka_message_t,
        InFlight { sent, payload, timestamp_ms }: InFlight<Sent>,
        code: RDKafkaErrorCode,
    ) -> Result<(), (RDKafkaErrorCode, Sent)> {
        let topic = Arc::clone(&sent.topic);
        let key = (!message.key.is_null()).then(|| {
            // SAFETY: librdkafka gives a pointer to that many bytes, which live as long as the message.
            unsafe { std::slice::from_raw_parts(message.key.cast_const().cast::<u8>(), message.key_len) }
        });
        let outgoing = Outgoing {
            topic: topic.native_name(),
            partition: sent.partition,
            key,
            payload,
            timestamp_ms,
            headers: Borrowed::of(message).to_owned(),
        };
        self.produce_alone(outgoing, sent, code)
    }

    /// Sends a message in a batch of its own. `code` is the error where this is that producer already.
    pub(super) fn produce_alone(
        &self,
        outgoing: Outgoing<'_>,
        sent: Sent,
        code: RDKafkaErrorCode,
    ) -> Result<(), (RDKafkaErrorCode, Sent)> {
        let Some(client) = &self.alone else { return Err((code, sent)) };
        let producer = self.sends_alone.get_or_init(|| {
            let made = Served::start(client, Self::for_one_alone(client));
            made.inspect_err(|reason| tracing::error!(reason, "failed to create a producer for single messages")).ok()
        });
        let Some(producer) = producer else { return Err((RDKafkaErrorCode::Fail, sent)) };
        native::produce(producer.native(), outgoing, sent)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.journal.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.journal.error(&error, text);
        self.revival.heard(&error);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.failure.get_or_init(|| text.into());
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = Box<InFlight<Sent>>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight<Sent>>) {
        let (error, message) = match result {
            Ok(message) => {
                in_flight.sent.topic.count(message.partition());
                return self.answers.put(in_flight.sent, Ok(()));
            }
            Err((error, message)) => (error, message),
        };
        // SAFETY: the message is alive as long as the result, and nobody changes it.
        let message = unsafe { &*message.ptr() };
        let mut code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let answer = Answer::of(message);
        let sent = if answer.may_concern_another(code) {
            match self.send_alone(message, *in_flight, code) {
                Ok(()) => return,
                Err((reason, sent)) => {
                    code = reason;
                    sent
                }
            }
        } else {
            in_flight.sent
        };
        let refusal = refusal(code, sent.topic.name(), &answer);
        self.answers.put(sent, Err(refusal));
    }
}

/// Settled in one piece, so that a flow is woken once for all of its own.
#[derive(Default)]
struct Answers(Mutex<Vec<(Ticket, Result<(), Refusal>)>>);

impl Answers {
    fn put(&self, sent: Sent, result: Result<(), Refusal>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((sent.ticket, result));
    }

    fn hand_over(&self) {
        let answers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ticket::settle_all(answers);
    }
}

impl Drop for Answers {
    /// What a producer gives up when it is dropped.
    fn drop(&mut self) {
        self.hand_over();
    }
}
