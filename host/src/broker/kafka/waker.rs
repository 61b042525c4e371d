//! Ends the sleep of a thread that serves a client.

use std::sync::OnceLock;
use std::thread::Thread;

/// Wakes one thread, from any other thread and from callbacks of librdkafka.
#[derive(Debug, Default)]
pub(crate) struct Waker(OnceLock<Thread>);

impl Waker {
    /// Registers the current thread. Before this call waking does nothing, and the thread is awake.
    pub(crate) fn here(&self) {
        self.0.get_or_init(std::thread::current);
    }

    /// Ends the current sleep of the thread, or its next one.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}
