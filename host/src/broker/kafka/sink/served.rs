//! A producer and the thread that serves its delivery reports.
//!
//! A broker answers for all messages of a request. The thread of the rdkafka crate hands over one message at a time, so a
//! flow would be woken for every few of them. This thread hands over all of them at once.

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
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer, ProducerContext};

use crate::broker::kafka::waker::Waker;

/// The thread polls after this long, even if librdkafka has not woken it.
const LOOK: Duration = Duration::from_millis(100);

/// The context of a producer whose answers this thread serves.
pub(super) trait Serve: ProducerContext<NoCustomPartitioner> + 'static {
    /// Settles the tickets of all messages that were answered since the last call.
    fn hand_over(&self);

    /// Called while there is nothing to serve, at least every 100 ms.
    fn idle(&self, client: *mut rd_kafka_t);

    /// Messages that the context has sent in another way, and that are not answered.
    fn in_flight(&self) -> i32;

    /// The permanent error that librdkafka has reported to the context, if any.
    fn failure(&self) -> Option<Box<str>>;
}

/// A running producer. When it is dropped, it gives up unanswered messages, and their tickets are settled.
pub(super) struct Served<C: Serve> {
    producer: Arc<BaseProducer<C>>,
    waker: Arc<Waker>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Serve> Served<C> {
    /// Creates the producer and starts its thread.
    ///
    /// # Errors
    /// The error text of librdkafka or of the operating system.
    pub(super) fn start(client: &ClientConfig, context: C) -> Result<Self, Box<str>> {
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

    pub(super) fn native(&self) -> &BaseProducer<C> {
        &self.producer
    }

    /// Returns the number of unanswered messages.
    pub(super) fn in_flight(&self) -> i32 {
        self.producer.in_flight_count() + self.producer.context().in_flight()
    }

    /// Returns the error from which the producer does not recover, if any.
    pub(super) fn failure(&self) -> Option<Box<str>> {
        let asked = || self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}").into());
        self.producer.context().failure().or_else(asked)
    }
}

impl<C: Serve> Drop for Served<C> {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already.
            let _ = thread.join();
        }
    }
}

fn serve<C: Serve>(producer: &BaseProducer<C>, queue: &Queue<C>, closing: &AtomicBool) {
    queue.waker.here();
    while !closing.load(Ordering::Relaxed) {
        // Each call serves one delivery report or one log line.
        producer.poll(Duration::ZERO);
        producer.context().hand_over();
        if queue.is_empty() {
            producer.context().idle(producer.client().native_ptr());
            std::thread::park_timeout(LOOK);
        }
    }
}

/// The main queue of the producer. librdkafka wakes the thread when the queue stops being empty.
struct Queue<C: Serve> {
    native: *mut rd_kafka_queue_t,
    waker: Arc<Waker>,
    /// Keeps librdkafka's client alive as long as the queue.
    _producer: Arc<BaseProducer<C>>,
}

// SAFETY: librdkafka's queues have locks of their own and may be used from any thread.
unsafe impl<C: Serve> Send for Queue<C> {}

impl<C: Serve> Queue<C> {
    fn of(producer: &Arc<BaseProducer<C>>, waker: &Arc<Waker>) -> Self {
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

impl<C: Serve> Drop for Queue<C> {
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

    use super::super::delivery::Context;
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
