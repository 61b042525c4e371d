//! Converts a message of librdkafka to a record.

use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::message::{Header, Headers, Kind, Position, Record};
use rdkafka::bindings::{rd_kafka_message_t, rd_kafka_message_timestamp};

use crate::broker::kafka::headers::Borrowed;

/// Copies a message out of librdkafka: key and payload into one shared buffer.
///
/// The buffer is not shared by many records, because a record that waits for a retry would keep all of it in memory.
/// Nor does the record refer to the native message, which would keep the whole fetch response.
pub(crate) fn record(message: &rd_kafka_message_t, source: &Arc<str>) -> Record {
    // SAFETY: librdkafka gives null, or a pointer to that many bytes, which live as long as the message.
    let (key, payload) = unsafe { (bytes(message.key, message.key_len), bytes(message.payload, message.len)) };
    let mut both = Bytes::from([key.unwrap_or_default(), payload.unwrap_or_default()].concat());
    let mut cut = |part: &[u8]| both.split_to(part.len());
    let (key, payload) = (key.map(&mut cut), payload.map(&mut cut));

    let borrowed = Borrowed::of(message);
    let (mut count, mut size) = (0, 0);
    for (name, value) in borrowed.iter() {
        count += 1;
        size += name.len() + value.map_or(0, <[u8]>::len);
    }
    let mut headers = Headers::with_capacity(count, size);
    headers.extend(borrowed.iter().map(|(name, value)| Header { name, value, kind: Kind::Bytes }));

    // SAFETY: a plain read of the message; the kind of timestamp is not asked for.
    let timestamp = unsafe { rd_kafka_message_timestamp(message, std::ptr::null_mut()) };
    Record {
        source: Arc::clone(source),
        position: Position::Offset { partition: message.partition, offset: message.offset },
        key,
        headers,
        payload,
        timestamp_ms: u64::try_from(timestamp).ok(), // -1 without a timestamp
    }
}

/// # Safety
/// `start` must be null or point to `length` bytes that are not changed for `'a`.
unsafe fn bytes<'a>(start: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as promised.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}
