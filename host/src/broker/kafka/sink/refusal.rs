//! Classifies the error of a record: whether the record is the cause, and whether waiting helps.

use cofferdam_core::event::Refusal;
use cofferdam_core::outcome::Code;
use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_message_t, rd_kafka_msg_status_t};
use rdkafka::error::RDKafkaErrorCode;

use crate::broker::kafka::journal::is_not_authorized;

/// Facts of a delivery report beside the error code.
///
/// The error text of the broker is not one of them: librdkafka 2.12.1 frees it before it hands over the report, and
/// `rd_kafka_message_produce_errstr` returns a dangling pointer.
#[derive(Debug)]
pub(super) struct Answer {
    has_key: bool,
    /// Whether the broker has certainly not stored the record.
    is_absent: bool,
}

impl Answer {
    /// Reads the delivery report of this message.
    pub(super) fn of(message: &rd_kafka_message_t) -> Self {
        // SAFETY: a plain read of a message that is alive.
        let status = unsafe { rd_kafka_message_status(message) };
        let is_absent = status == rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
        Self { has_key: !message.key.is_null(), is_absent }
    }

    /// Creates the answer for an error of librdkafka before a broker was asked.
    pub(super) fn of_client(has_key: bool) -> Self {
        Self { has_key, is_absent: true }
    }

    /// Returns whether another record of the batch may have caused this error, and nothing of the batch was stored.
    pub(super) fn may_concern_another(&self, code: RDKafkaErrorCode) -> bool {
        use RDKafkaErrorCode as Kafka;
        // Brokers answer `Unknown` for a record on which a plugin or a validation of the broker fails.
        self.is_absent && (rejected(code).is_some() || matches!(code, Kafka::InvalidDifferentRecord | Kafka::Unknown))
    }
}

/// Returns the refusal for a record that was the only one of its batch.
pub(super) fn refusal(code: RDKafkaErrorCode, topic: &str, answer: &Answer) -> Refusal {
    let words = code.to_string();
    let Some(rejected) = rejected(code) else {
        if is_not_authorized(code) {
            return Refusal::Unavailable(format!("not authorized to write to topic {topic}: {words}").into());
        }
        return Refusal::Unavailable(format!("topic {topic}: {words}").into());
    };
    let why = match code {
        // Apache Kafka refuses nothing else that this host sends with this code. Other brokers validate records against
        // schemas.
        RDKafkaErrorCode::InvalidRecord if !answer.has_key => {
            "; probably the topic is compacted and the output has no key"
        }
        RDKafkaErrorCode::InvalidTimestamp => {
            "; check message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic"
        }
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
            "; check max.message.bytes of the topic"
        }
        _ => "",
    };
    Refusal::Rejected(rejected, format!("topic {topic} rejected the record: {words}{why}").into())
}

/// Returns the code of an error that occurs again whenever the record is sent; `None` if the record may be stored later.
fn rejected(code: RDKafkaErrorCode) -> Option<Code> {
    use RDKafkaErrorCode as Kafka;
    match code {
        Kafka::MessageSizeTooLarge | Kafka::InvalidMessageSize | Kafka::MessageBatchTooLarge => {
            Some(Code::OUTPUT_TOO_LARGE)
        }
        Kafka::InvalidRecord
        | Kafka::InvalidTimestamp
        | Kafka::InvalidMessage
        | Kafka::UnsupportedForMessageFormat
        | Kafka::PolicyViolation => Some(Code::INVALID_RESULT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Answer {
        Answer::of_client(false)
    }

    #[test]
    fn an_error_that_another_record_of_the_batch_can_have_caused_is_not_believed_of_this_one() {
        use RDKafkaErrorCode as Kafka;
        let of_records = [
            Kafka::InvalidRecord,
            Kafka::InvalidDifferentRecord,
            Kafka::InvalidTimestamp,
            Kafka::InvalidMessage,
            Kafka::InvalidMessageSize,
            Kafka::MessageSizeTooLarge,
            Kafka::MessageBatchTooLarge,
            Kafka::UnsupportedForMessageFormat,
            Kafka::PolicyViolation,
            Kafka::Unknown,
        ];
        for code in of_records {
            assert!(absent().may_concern_another(code), "{code:?}");
            // Sent again it might be there twice.
            assert!(!Answer { is_absent: false, ..absent() }.may_concern_another(code), "{code:?}");
        }
        for code in [Kafka::MessageTimedOut, Kafka::TopicAuthorizationFailed, Kafka::UnknownTopicOrPartition] {
            assert!(!absent().may_concern_another(code), "{code:?}");
            assert!(matches!(refusal(code, "t", &absent()), Refusal::Unavailable(_)), "{code:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_topic_the_error_and_the_cause() {
        let Refusal::Rejected(code, text) = refusal(RDKafkaErrorCode::InvalidRecord, "t", &absent()) else {
            panic!("it is refused for good")
        };
        assert_eq!(code, Code::INVALID_RESULT);
        assert!(text.starts_with("topic t rejected the record: InvalidRecord"), "{text}");
        assert!(text.ends_with("; probably the topic is compacted and the output has no key"), "{text}");
    }
}
