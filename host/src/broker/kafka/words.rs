//! Reads the log lines and errors of an admin client. Nobody else polls its main queue, where they wait.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use rdkafka::bindings::{
    RD_KAFKA_EVENT_ERROR, RD_KAFKA_EVENT_LOG, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_error_string, rd_kafka_event_log, rd_kafka_event_t, rd_kafka_event_type, rd_kafka_queue_destroy,
    rd_kafka_queue_get_main, rd_kafka_queue_poll,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// Passes all waiting events to the context of the client.
pub(crate) fn hear<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is alive during the call, and the queue is given back; each event is ours, is read, and is
    // destroyed.
    unsafe {
        let Some(queue) = NonNull::new(rd_kafka_queue_get_main(client.native_ptr())) else { return };
        while let Some(event) = NonNull::new(rd_kafka_queue_poll(queue.as_ptr(), 0)) {
            tell(&**client.context(), event.as_ptr());
            rd_kafka_event_destroy(event.as_ptr());
        }
        rd_kafka_queue_destroy(queue.as_ptr());
    }
}

/// # Safety
/// The event must be alive.
unsafe fn tell<C: ClientContext>(context: &C, event: *mut rd_kafka_event_t) {
    // SAFETY: the event is alive, and its texts are C strings that live as long, or null.
    unsafe {
        let text =
            |text: *const c_char| if text.is_null() { "".into() } else { CStr::from_ptr(text).to_string_lossy() };
        match rd_kafka_event_type(event) {
            RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut words, mut level) = (std::ptr::null(), std::ptr::null(), 0);
                if rd_kafka_event_log(event, &mut facility, &mut words, &mut level) == 0 {
                    let level = match level {
                        ..=4 => RDKafkaLogLevel::Warning,
                        5 | 6 => RDKafkaLogLevel::Info,
                        _ => RDKafkaLogLevel::Debug,
                    };
                    context.log(level, &text(facility), &text(words));
                }
            }
            RD_KAFKA_EVENT_ERROR => {
                let error = KafkaError::Global(rd_kafka_event_error(event).into());
                context.error(error, &text(rd_kafka_event_error_string(event)));
            }
            _ => {}
        }
    }
}
