//! What comes back from the broker, on the producer's own thread.

use std::sync::{Arc, OnceLock};

use cofferdam_core::event::Refusal;
use cofferdam_core::outcome::Code;
use rdkafka::ClientConfig;
use rdkafka::bindings::rd_kafka_message_t;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};

use super::Ticket;
use super::native::{self, Outgoing};
use super::topic::Topic;
use crate::kafka::headers::Borrowed;
use crate::kafka::journal::Journal;

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
    failure: OnceLock<Box<str>>,
    /// How a producer is made that sends every message in a request of its own; `None` in that one.
    alone: Option<ClientConfig>,
    sends_alone: OnceLock<Option<ThreadedProducer<Context>>>,
}

impl Context {
    /// For a producer of this configuration.
    pub(super) fn new(mut client: ClientConfig) -> Self {
        client.set("batch.num.messages", "1");
        Self { alone: Some(client), ..Self::for_one_alone() }
    }

    fn for_one_alone() -> Self {
        let journal = Journal::new("producer");
        Self { journal, failure: OnceLock::new(), alone: None, sends_alone: OnceLock::new() }
    }

    pub(super) fn failure(&self) -> Option<Box<str>> {
        let alone = || self.sends_alone.get()?.as_ref()?.context().failure();
        self.failure.get().cloned().or_else(alone)
    }

    /// Messages on their way in requests of their own.
    pub(super) fn in_flight_alone(&self) -> i32 {
        self.sends_alone.get().and_then(Option::as_ref).map_or(0, Producer::in_flight_count)
    }

    /// A broker refuses a whole request as too large where the topic's limit is below the producer's, and then the
    /// messages in it are refused for their neighbours. Each is sent once more, alone; what is then refused is itself
    /// too large. It may be overtaken by others on the way.
    fn send_alone(&self, message: &rd_kafka_message_t, sent: Box<Sent>) -> Result<(), (RDKafkaErrorCode, Box<Sent>)> {
        let too_large = RDKafkaErrorCode::MessageSizeTooLarge;
        let Some(client) = &self.alone else { return Err((too_large, sent)) };
        let producer = self.sends_alone.get_or_init(|| {
            let made = ThreadedProducer::from_config_and_context(client, Self::for_one_alone());
            made.inspect_err(|error| tracing::error!(%error, "no producer for single messages")).ok()
        });
        let Some(producer) = producer else { return Err((RDKafkaErrorCode::Fail, sent)) };
        let topic = Arc::clone(&sent.topic);
        // SAFETY: librdkafka gives null, or a pointer to that many bytes, which live as long as the message.
        let (key, payload) = unsafe {
            let bytes = |start: *mut std::ffi::c_void, length| {
                (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast_const().cast::<u8>(), length))
            };
            (bytes(message.key, message.key_len), bytes(message.payload, message.len))
        };
        // SAFETY: a plain read of the message; the kind of timestamp is not asked for.
        let timestamp = unsafe { rdkafka::bindings::rd_kafka_message_timestamp(message, std::ptr::null_mut()) };
        let outgoing = Outgoing {
            topic: topic.native_name(),
            partition: sent.partition,
            key,
            payload,
            timestamp_ms: u64::try_from(timestamp).ok(),
            headers: Borrowed::of(message).to_owned(),
        };
        native::produce(producer, outgoing, sent)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.journal.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.journal.error(&error, text);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.failure.get_or_init(|| text.into());
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let (error, message) = match result {
            Ok(message) => {
                sent.topic.count(message.partition());
                return sent.ticket.settle(Ok(()));
            }
            Err((error, message)) => (error, message),
        };
        let mut code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let mut sent = sent;
        if code == RDKafkaErrorCode::MessageSizeTooLarge {
            // SAFETY: the message is alive as long as the result, and nobody changes it.
            match self.send_alone(unsafe { &*message.ptr() }, sent) {
                Ok(()) => return,
                Err((reason, back)) => (code, sent) = (reason, back),
            }
        }
        let refusal = refusal(code, sent.topic.name());
        sent.ticket.settle(Err(refusal));
    }
}

/// What an error means for the publication that met it.
pub(super) fn refusal(code: RDKafkaErrorCode, topic: &str) -> Refusal {
    use RDKafkaErrorCode as Kafka;
    let text = || format!("{topic}: {code}").into();
    match code {
        Kafka::MessageSizeTooLarge | Kafka::InvalidMessageSize | Kafka::MessageBatchTooLarge => {
            Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text())
        }
        Kafka::InvalidRecord | Kafka::InvalidTimestamp => Refusal::Rejected(Code::INVALID_RESULT, text()),
        _ => Refusal::Unavailable(text()),
    }
}
