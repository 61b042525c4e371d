//! Delivery reports of the producer, on the thread of the producer.

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
use super::served::{Serve, Served};
use super::topic::Topic;
use crate::broker::kafka::headers::Borrowed;
use crate::broker::kafka::journal::Journal;
use crate::broker::kafka::revival::Revival;
use crate::sink::Ticket;

/// The data that a message carries through librdkafka: the ticket, and where the message goes.
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

/// The context of the producer: receives delivery reports, logs and errors.
pub(super) struct Context {
    journal: Journal,
    revival: Revival,
    failure: OnceLock<Box<str>>,
    /// The configuration of a second producer that sends each message in a request of its own; `None` in the context of
    /// that producer.
    alone: Option<ClientConfig>,
    sends_alone: OnceLock<Option<Served<Self>>>,
    /// Results that are not handed over yet.
    answers: Answers,
}

impl Context {
    /// Creates the context for a producer with this configuration. `alone` has the properties that differ for messages that
    /// are sent alone.
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

    /// Sends a record of a refused batch again, in a batch of its own. A broker answers for the whole batch, though one
    /// record may be the cause; the second answer concerns this record only. The records of the batch keep their order in a
    /// partition; a record that was not in the batch may overtake them.
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

    /// Sends a message in a batch of its own. Returns `code` as the error if this is already the context of that producer.
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

impl Serve for Context {
    fn hand_over(&self) {
        self.answers.hand_over();
    }

    /// Gives the client its bootstrap servers again, in case it has forgotten all brokers.
    fn idle(&self, client: *mut rd_kafka_t) {
        self.revival.look(client);
    }

    /// Returns the number of unanswered messages that were sent alone.
    fn in_flight(&self) -> i32 {
        self.sends_alone.get().and_then(Option::as_ref).map_or(0, Served::in_flight)
    }

    fn failure(&self) -> Option<Box<str>> {
        let alone = || self.sends_alone.get()?.as_ref()?.failure();
        self.failure.get().cloned().or_else(alone)
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

/// Results of messages. They are settled together, so that each flow is woken once.
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
    /// Settles the results of messages that a dropped producer has given up.
    fn drop(&mut self) {
        self.hand_over();
    }
}
