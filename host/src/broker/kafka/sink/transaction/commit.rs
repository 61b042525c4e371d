//! Commits a transaction through the C interface. The safe interface flushes first, and that flush never ends if a
//! message was refused and waits for the abort.

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_commit_transaction, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_retriable,
    rd_kafka_error_string, rd_kafka_error_txn_requires_abort,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};

/// The reason for which a transaction is not committed.
#[derive(Debug)]
pub(super) enum Refused {
    /// The same call may succeed later; the result is unknown until then.
    Again(Box<str>),
    /// The transaction can be aborted. If the broker has all its messages, it may be committed all the same.
    Abort(Box<str>),
    /// This producer cannot find out the result: the transaction may be committed.
    Unknown(Box<str>, RDKafkaErrorCode),
}

/// Commits the open transaction when the broker has all its messages.
pub(super) fn commit<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    limit: Duration,
) -> Result<(), Refused> {
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive during the call; the error, where there is one, is ours, is read, and is given back.
    unsafe {
        let error = rd_kafka_commit_transaction(producer.client().native_ptr(), limit);
        if error.is_null() {
            return Ok(());
        }
        let text: Box<str> = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into();
        let refused = if rd_kafka_error_txn_requires_abort(error) != 0 {
            Refused::Abort(text)
        } else if rd_kafka_error_is_retriable(error) != 0 {
            Refused::Again(text)
        } else {
            Refused::Unknown(text, rd_kafka_error_code(error).into())
        };
        rd_kafka_error_destroy(error);
        Err(refused)
    }
}
