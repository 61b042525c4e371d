//! Handing a message to librdkafka, over its C interface: the safe one cannot write headers that are no text, and makes
//! a C string of the topic's name for every message.

use std::ffi::{CStr, c_void};
use std::ptr;

use rdkafka::bindings::rd_kafka_vtype_t::{
    RD_KAFKA_VTYPE_END, RD_KAFKA_VTYPE_HEADERS, RD_KAFKA_VTYPE_KEY, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_VTYPE_OPAQUE,
    RD_KAFKA_VTYPE_PARTITION, RD_KAFKA_VTYPE_TIMESTAMP, RD_KAFKA_VTYPE_TOPIC, RD_KAFKA_VTYPE_VALUE,
};
use rdkafka::bindings::{RD_KAFKA_MSG_F_COPY, rd_kafka_producev};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
use rdkafka::util::IntoOpaque;

use crate::kafka::headers;

/// `RD_KAFKA_PARTITION_UA`, a macro of rdkafka.h.
const OF_THE_KEY: i32 = -1;

/// A message to send; its bytes are copied.
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a CStr,
    /// That of the key, where there is none.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
    /// Now, where there is none.
    pub(super) timestamp_ms: Option<u64>,
    pub(super) headers: Option<headers::Owned>,
}

/// Enqueues the message; what was sent comes back through the context's `delivery`, or at once with the reason.
pub(super) fn produce<C, S>(
    producer: &ThreadedProducer<C>,
    message: Outgoing<'_>,
    sent: Box<S>,
) -> Result<(), (RDKafkaErrorCode, Box<S>)>
where
    C: ProducerContext<DeliveryOpaque = Box<S>> + 'static,
    S: Send + Sync + 'static,
{
    let (key, key_length) = bytes(message.key);
    let (payload, payload_length) = bytes(message.payload);
    let timestamp = message.timestamp_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
    let headers = message.headers.as_ref().map_or(ptr::null_mut(), headers::Owned::native);
    let opaque = sent.into_ptr();
    // SAFETY: each tag is followed by what rdkafka.h says belongs to it, in that type, and the list ends with END. The
    // client and all pointers are alive during the call. With F_COPY key and payload are copied. Headers are librdkafka's
    // where the call succeeds, and ours where it fails; the same is true of the opaque, which the producer's thread
    // turns back into the box it was.
    let result = unsafe {
        rd_kafka_producev(
            producer.client().native_ptr(),
            RD_KAFKA_VTYPE_TOPIC,
            message.topic.as_ptr(),
            RD_KAFKA_VTYPE_PARTITION,
            message.partition.unwrap_or(OF_THE_KEY),
            RD_KAFKA_VTYPE_MSGFLAGS,
            RD_KAFKA_MSG_F_COPY,
            RD_KAFKA_VTYPE_VALUE,
            payload,
            payload_length,
            RD_KAFKA_VTYPE_KEY,
            key,
            key_length,
            RD_KAFKA_VTYPE_OPAQUE,
            opaque,
            RD_KAFKA_VTYPE_TIMESTAMP,
            timestamp,
            RD_KAFKA_VTYPE_HEADERS,
            headers,
            RD_KAFKA_VTYPE_END,
        )
    };
    if result == RD_KAFKA_RESP_ERR_NO_ERROR {
        if let Some(headers) = message.headers {
            headers.given_away();
        }
        return Ok(());
    }
    // SAFETY: made of this box above, and librdkafka has not kept it.
    Err((result.into(), unsafe { Box::from_ptr(opaque) }))
}

/// Null where there are none: null is a tombstone, or no key; an empty slice is not.
fn bytes(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}
