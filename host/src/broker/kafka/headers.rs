//! Reads and writes headers through the C interface of librdkafka.
//!
//! Kafka does not guarantee that the name of a header is text. The safe interface panics when it reads a name that is
//! not text, and cannot write one. librdkafka itself has one limit: a name ends at its first zero byte.

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::slice;

use cofferdam_core::message::Headers;
use rdkafka::bindings::{
    rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_headers_copy, rd_kafka_headers_destroy,
    rd_kafka_headers_new, rd_kafka_headers_t, rd_kafka_message_headers, rd_kafka_message_t,
};
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The headers of a message that librdkafka owns, in order.
#[derive(Clone, Copy)]
pub(crate) struct Borrowed<'a> {
    native: Option<&'a rd_kafka_headers_t>,
}

impl<'a> Borrowed<'a> {
    /// Returns the headers of this message.
    pub(crate) fn of(message: &'a rd_kafka_message_t) -> Self {
        let mut native = ptr::null_mut();
        // SAFETY: the message is alive for 'a. librdkafka parses the headers at the first call and keeps them with the
        // message until it is destroyed; nothing here detaches or changes them, so the reference holds for 'a.
        let native = unsafe {
            match rd_kafka_message_headers(message, &mut native) {
                RD_KAFKA_RESP_ERR_NO_ERROR => native.as_ref(),
                _ => None, // it has none
            }
        };
        Self { native }
    }

    /// Returns the name and value of each header, in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        (0..).map_while(move |index| self.get(index))
    }

    fn get(self, index: usize) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `native` is alive for 'a. Where the call succeeds, `name` is a C string and `value` is null or points
        // to `length` bytes, both owned by the headers and unchanged for 'a.
        unsafe {
            match rd_kafka_header_get_all(self.native?, index, &mut name, &mut value, &mut length) {
                RD_KAFKA_RESP_ERR_NO_ERROR => {}
                _ => return None, // past the last
            }
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast(), length));
            Some((CStr::from_ptr(name).to_bytes(), value))
        }
    }

    /// Returns a copy to send; `None` without headers.
    pub(crate) fn to_owned(self) -> Option<Owned> {
        // SAFETY: `native` is alive, and the copy is ours.
        NonNull::new(unsafe { rd_kafka_headers_copy(self.native?) }).map(Owned)
    }
}

/// Headers to send. When the message is enqueued, it takes their ownership.
pub(crate) struct Owned(NonNull<rd_kafka_headers_t>);

impl Owned {
    /// Copies `headers` in order; returns `None` without headers.
    pub(crate) fn of(headers: &Headers) -> Option<Self> {
        if headers.is_empty() {
            return None;
        }
        // SAFETY: a plain constructor; librdkafka ends the process where memory is out, so it gives no null.
        let owned = Self(NonNull::new(unsafe { rd_kafka_headers_new(headers.len()) })?);
        for header in headers.iter() {
            let (value, length) = header.value.map_or((ptr::null(), 0), |v| (v.as_ptr(), v.len()));
            // SAFETY: the headers are ours and writable; name and value are copied before the call returns. No
            // slice is longer than `isize::MAX`, so the lengths do not turn negative. The call fails only for headers
            // that belong to a message already.
            unsafe {
                let name = header.name;
                rd_kafka_header_add(
                    owned.native(),
                    name.as_ptr().cast(),
                    name.len() as isize,
                    value.cast(),
                    length as isize,
                );
            }
        }
        Some(owned)
    }

    /// Returns the pointer for the call that enqueues the message. The call takes ownership only if it succeeds.
    pub(crate) fn native(&self) -> *mut rd_kafka_headers_t {
        self.0.as_ptr()
    }

    /// Gives up ownership, because the message owns the headers now.
    pub(crate) fn given_away(self) {
        std::mem::forget(self);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: they are still ours: `given_away` forgets the value.
        unsafe { rd_kafka_headers_destroy(self.0.as_ptr()) }
    }
}
