//! How others end the sleep of a thread that serves a client.

use std::sync::OnceLock;
use std::thread::Thread;

/// Wakes one thread, from any other and from librdkafka's callbacks.
#[derive(Debug, Default)]
pub(crate) struct Waker(OnceLock<Thread>);

impl Waker {
    /// The current thread is the one. Until this is said, waking does nothing, and that thread is awake anyway.
    pub(crate) fn here(&self) {
        self.0.get_or_init(std::thread::current);
    }

    /// Ends the thread's sleep, or its next one.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}
