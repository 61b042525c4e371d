//! A producer, and the thread that serves its answers.
//!
//! An answer of a broker is about all messages of a request. rdkafka's own thread hands over one message at a time, and a
//! flow is woken for each few of them; here a flow hears of all of them at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings::{
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_get_main, rd_kafka_queue_length,
    rd_kafka_queue_t, rd_kafka_t,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::producer::{BaseProducer, Producer};

use super::delivery::Context;
use crate::kafka::waker::Waker;

/// The thread looks by itself after this long, should librdkafka not have woken it.
const LOOK: Duration = Duration::from_millis(100);

/// A producer at work. Dropped, it gives up what is on its way, and each ticket is settled.
pub(super) struct Served {
    producer: Arc<BaseProducer<Context>>,
    waker: Arc<Waker>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Makes the producer and starts its thread.
    ///
    /// # Errors
    /// What librdkafka or the operating system says.
    pub(super) fn start(client: &ClientConfig, context: Context) -> Result<Self, Box<str>> {
        let producer = BaseProducer::from_config_and_context(client, context);
        let producer = Arc::new(producer.map_err(|error| error.to_string())?);
        let waker = Arc::new(Waker::default());
        let closing = Arc::new(AtomicBool::new(false));
        let serve = {
            let queue = Queue::of(&producer, &waker);
            let (producer, closing) = (Arc::clone(&producer), Arc::clone(&closing));
            move || serve(&producer, &queue, &closing)
        };
        let thread = std::thread::Builder::new().name("producer".into()).spawn(serve);
        let thread = thread.map_err(|error| format!("failed to start a thread: {error}"))?;
        Ok(Self { producer, waker, closing, thread: Some(thread) })
    }

    pub(super) fn native(&self) -> &BaseProducer<Context> {
        &self.producer
    }

    /// Messages that are not answered.
    pub(super) fn in_flight(&self) -> i32 {
        self.producer.in_flight_count() + self.producer.context().in_flight_alone()
    }

    /// The error from which it does not recover, if it has met one.
    pub(super) fn failure(&self) -> Option<Box<str>> {
        let asked = || self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}").into());
        self.producer.context().failure().or_else(asked)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed.
            let _ = thread.join();
        }
    }
}

fn serve(producer: &BaseProducer<Context>, queue: &Queue, closing: &AtomicBool) {
    queue.waker.here();
    while !closing.load(Ordering::Relaxed) {
        // One answer, or one line of the log.
        producer.poll(Duration::ZERO);
        producer.context().hand_over();
        if queue.is_empty() {
            producer.context().revive(producer.client().native_ptr());
            std::thread::park_timeout(LOOK);
        }
    }
}

/// The queue of what the producer has to say; librdkafka wakes the thread when it stops being empty.
struct Queue {
    native: *mut rd_kafka_queue_t,
    waker: Arc<Waker>,
    /// Keeps librdkafka's client alive as long as the queue.
    _producer: Arc<BaseProducer<Context>>,
}

// SAFETY: librdkafka's queues have locks of their own and may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    fn of(producer: &Arc<BaseProducer<Context>>, waker: &Arc<Waker>) -> Self {
        // SAFETY: the client is alive, and stays so until `drop` has given the queue back. The callback gets a pointer to
        // the waker, which lives in an `Arc` of ours until `drop` has switched the callback off; librdkafka calls it, and
        // switches it off, under the queue's lock.
        let native = unsafe {
            let native = rd_kafka_queue_get_main(producer.client().native_ptr());
            rd_kafka_queue_cb_event_enable(native, Some(not_empty), Arc::as_ptr(waker).cast_mut().cast());
            native
        };
        Self { native, waker: Arc::clone(waker), _producer: Arc::clone(producer) }
    }

    fn is_empty(&self) -> bool {
        // SAFETY: the queue is alive.
        unsafe { rd_kafka_queue_length(self.native) == 0 }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is ours; after the first call librdkafka does not know the waker any more.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.native, None, std::ptr::null_mut());
            rd_kafka_queue_destroy(self.native);
        }
    }
}

/// Called by librdkafka's threads, under the queue's lock: it must not call librdkafka, and does not.
unsafe extern "C" fn not_empty(_: *mut rd_kafka_t, waker: *mut std::ffi::c_void) {
    // SAFETY: see `Queue::of`.
    unsafe { &*waker.cast::<Waker>() }.wake();
}

#[cfg(test)]
mod tests {
    use rdkafka::bindings::{rd_kafka_resp_err_t, rd_kafka_test_fatal_error};

    use super::*;

    #[test]
    fn a_producer_that_librdkafka_has_given_up_says_why() {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", "127.0.0.1:1").set("enable.idempotence", "true");
        let served = Served::start(&client, Context::new(client.clone(), Vec::new())).expect("no broker is asked");
        assert_eq!(served.failure(), None);
        let code = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client is alive, and the text ends with a zero and is copied.
        unsafe { rd_kafka_test_fatal_error(served.producer.client().native_ptr(), code, c"on purpose".as_ptr()) };
        let reason = served.failure().expect("it has failed");
        assert!(reason.contains("on purpose"), "{reason}");
    }
}
