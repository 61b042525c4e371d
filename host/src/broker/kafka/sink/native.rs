//! Hands messages to librdkafka through its C interface. The safe interface cannot write headers that are not text, and
//! allocates a C string of the topic name for every message.

use std::ffi::{CStr, c_void};
use std::ptr;

use bytes::Bytes;
use rdkafka::bindings::rd_kafka_producev;
use rdkafka::bindings::rd_kafka_vtype_t::{
    RD_KAFKA_VTYPE_END, RD_KAFKA_VTYPE_HEADERS, RD_KAFKA_VTYPE_KEY, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_VTYPE_OPAQUE,
    RD_KAFKA_VTYPE_PARTITION, RD_KAFKA_VTYPE_TIMESTAMP, RD_KAFKA_VTYPE_TOPIC, RD_KAFKA_VTYPE_VALUE,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{NoCustomPartitioner, Producer, ProducerContext};
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
use rdkafka::util::IntoOpaque;

use crate::broker::kafka::headers;

/// Lets librdkafka choose the partition by the key: `RD_KAFKA_PARTITION_UA`, a macro of rdkafka.h.
const OF_THE_KEY: i32 = -1;

/// Neither `RD_KAFKA_MSG_F_COPY` nor `RD_KAFKA_MSG_F_FREE`: this process keeps the ownership of the payload.
const NOTHING_COPIED: i32 = 0;

/// A message to send.
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a CStr,
    /// The partition; `None` means the partition of the key.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'a [u8]>,
    /// The payload. It is not copied: librdkafka reads these bytes until the message is answered.
    pub(super) payload: Option<Bytes>,
    /// Milliseconds since the Unix epoch; `None` means now.
    pub(super) timestamp_ms: Option<u64>,
    pub(super) headers: Option<headers::Owned>,
}

/// The data that a message carries through librdkafka and that its delivery report returns.
pub(super) struct InFlight<S> {
    /// The data of the sender.
    pub(super) sent: S,
    /// The bytes that librdkafka reads until the report.
    pub(super) payload: Option<Bytes>,
    /// The timestamp as it was given, because librdkafka does not report it for a failed message.
    pub(super) timestamp_ms: Option<u64>,
}

/// Enqueues a message. `sent` comes back through `delivery` of the context, or at once with the error.
pub(super) fn produce<P, C, S>(producer: &P, message: Outgoing<'_>, sent: S) -> Result<(), (RDKafkaErrorCode, S)>
where
    P: Producer<C, NoCustomPartitioner>,
    C: ProducerContext<NoCustomPartitioner, DeliveryOpaque = Box<InFlight<S>>>,
    S: Send + Sync + 'static,
{
    let (key, key_length) = bytes(message.key);
    let (payload, payload_length) = bytes(message.payload.as_deref());
    let timestamp = message.timestamp_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
    let headers = message.headers.as_ref().map_or(ptr::null_mut(), headers::Owned::native);
    let opaque = Box::new(InFlight { sent, payload: message.payload, timestamp_ms: message.timestamp_ms }).into_ptr();
    // SAFETY: each tag is followed by what rdkafka.h says belongs to it, in that type, and the list ends with END. The
    // client and all pointers are alive during the call. The key is copied. The payload is not, without F_COPY: it is read
    // until the message is answered, and lives in the opaque until then, in `Bytes`, which nobody changes. Headers and
    // opaque are librdkafka's where the call succeeds, and ours where it fails; the producer's thread turns the opaque
    // back into the box it was.
    let result = unsafe {
        rd_kafka_producev(
            producer.client().native_ptr(),
            RD_KAFKA_VTYPE_TOPIC,
            message.topic.as_ptr(),
            RD_KAFKA_VTYPE_PARTITION,
            message.partition.unwrap_or(OF_THE_KEY),
            RD_KAFKA_VTYPE_MSGFLAGS,
            NOTHING_COPIED,
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
    let in_flight: Box<InFlight<S>> = unsafe { Box::from_ptr(opaque) };
    Err((result.into(), in_flight.sent))
}

/// Returns pointer and length; a null pointer for `None`. For librdkafka, null is a tombstone or no key, which an empty
/// slice is not.
fn bytes(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}
