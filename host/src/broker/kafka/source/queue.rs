//! The local queue of one partition, through the C interface of librdkafka.
//!
//! The safe interface takes one message at a time, with two allocations and an event for each. The C interface returns
//! an array. The unsafe code of the source is here, in `record`, `lag`, `ends` and `identity`.

use std::collections::VecDeque;
use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_core::event::Partition;
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_leader_epoch, rd_kafka_message_t,
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_forward, rd_kafka_queue_get_partition,
    rd_kafka_queue_length, rd_kafka_queue_t, rd_kafka_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::Context;
use super::wake_flag::WakeFlag;

/// The largest number of messages that are taken from librdkafka, and returned to the flow, at once.
pub(super) const BATCH: usize = 256;

/// The queue of one partition, split off from the queue of the consumer.
pub(super) struct Queue {
    /// Messages taken from librdkafka and not returned yet. This queue must destroy each of them.
    taken: VecDeque<NonNull<rd_kafka_message_t>>,
    native: NonNull<rd_kafka_queue_t>,
    signal: Arc<Signal>,
    /// Keeps librdkafka's client alive until queue and messages are destroyed.
    consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues and messages belong to no thread; whoever holds the only `Queue` may use them.
unsafe impl Send for Queue {}

/// The flag that librdkafka sets when the queue is no longer empty.
struct Signal {
    ready: AtomicBool,
    wake: Arc<WakeFlag>,
}

impl Queue {
    /// Splits the queue off. Call it before the partition is assigned, because records that were fetched earlier stay
    /// in the main queue. Returns `None` if librdkafka refuses the name of the topic.
    pub(super) fn split(
        consumer: &Arc<BaseConsumer<Context>>,
        partition: &Partition,
        wake: &Arc<WakeFlag>,
    ) -> Option<Self> {
        let topic = CString::new(&*partition.topic).ok()?;
        let signal = Arc::new(Signal { ready: AtomicBool::new(true), wake: Arc::clone(wake) });
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive, and stays so until `drop` has given the queue back. The callback gets a pointer
        // to the signal, which lives in an `Arc` of ours until `drop` has switched the callback off; librdkafka calls
        // it, and switches it off, under the queue's lock.
        let native = unsafe {
            let native = NonNull::new(rd_kafka_queue_get_partition(client, topic.as_ptr(), partition.number))?;
            rd_kafka_queue_forward(native.as_ptr(), ptr::null_mut());
            let opaque = Arc::as_ptr(&signal).cast_mut().cast();
            rd_kafka_queue_cb_event_enable(native.as_ptr(), Some(not_empty), opaque);
            native
        };
        Some(Self { taken: VecDeque::with_capacity(BATCH), native, signal, consumer: Arc::clone(consumer) })
    }

    /// Returns the next message, if there is one; takes at most `room` messages from librdkafka at once. Never blocks.
    pub(super) fn next(&mut self, room: usize) -> Option<Message<'_>> {
        if self.taken.is_empty() {
            self.fill(room.min(BATCH));
        }
        let native = self.taken.pop_front()?;
        Some(Message { native, queue: self })
    }

    /// Sets the flag if messages wait that were not signalled; returns whether there are any.
    pub(super) fn remind(&self) -> bool {
        self.is_filled() && !self.signal.ready.swap(true, Ordering::AcqRel)
    }

    /// Returns whether there is no message, neither taken from librdkafka nor in its queue.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty() && !self.is_filled()
    }

    fn is_filled(&self) -> bool {
        // SAFETY: the queue is alive.
        unsafe { rd_kafka_queue_length(self.native.as_ptr()) > 0 }
    }

    /// Destroys the messages that were taken from librdkafka.
    pub(super) fn clear(&mut self) {
        for message in self.taken.drain(..) {
            // SAFETY: it is ours, and gone from the queue.
            unsafe { rd_kafka_message_destroy(message.as_ptr()) }
        }
    }

    fn fill(&mut self, room: usize) {
        // Clear the flag first and then take: a message that arrives in between sets it again.
        if room == 0 || !self.signal.ready.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut batch = [ptr::null_mut(); BATCH];
        // SAFETY: the queue is alive, and the array has room for as many as are asked for. Each message that comes is
        // ours to destroy. A timeout of zero does not block.
        let count = unsafe { rd_kafka_consume_batch_queue(self.native.as_ptr(), 0, batch.as_mut_ptr(), room) };
        let count = usize::try_from(count).unwrap_or(0); // -1 would be an error, which cannot occur here
        if count == room {
            self.signal.ready.store(true, Ordering::Relaxed);
        }
        self.taken.extend(batch.iter().take(count).filter_map(|message| NonNull::new(*message)));
    }
}

/// A message from a [`Queue`]; librdkafka owns its bytes.
pub(super) struct Message<'a> {
    native: NonNull<rd_kafka_message_t>,
    queue: &'a Queue,
}

impl Message<'_> {
    /// Returns the native message. Its `err` tells whether it is a record or an error.
    pub(super) fn native(&self) -> &rd_kafka_message_t {
        // SAFETY: it is ours until `drop`, and nobody changes it.
        unsafe { self.native.as_ref() }
    }

    /// Returns the leader epoch that the record was written in; -1 if the broker does not give it.
    pub(super) fn leader_epoch(&self) -> i32 {
        // SAFETY: it is ours until `drop`, and nobody changes it.
        unsafe { rd_kafka_message_leader_epoch(self.native.as_ptr()) }
    }

    /// Returns the consumer of the message.
    pub(super) fn consumer(&self) -> &BaseConsumer<Context> {
        &self.queue.consumer
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and this is the only place that destroys a message that was given out.
        unsafe { rd_kafka_message_destroy(self.native.as_ptr()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: the queue is ours; after the first call librdkafka does not know the signal any more.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.native.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.native.as_ptr());
        }
    }
}

/// Called by threads of librdkafka under the lock of the queue. It must not call librdkafka, and does not.
unsafe extern "C" fn not_empty(_: *mut rd_kafka_t, signal: *mut c_void) {
    // SAFETY: see `split`.
    let signal = unsafe { &*signal.cast::<Signal>() };
    signal.ready.store(true, Ordering::Release);
    signal.wake.raise();
}
