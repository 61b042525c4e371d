//! How others end the reader's sleep.

use std::sync::OnceLock;
use std::thread::Thread;

/// Wakes the reader, from any thread and from librdkafka's callbacks.
#[derive(Debug, Default)]
pub(super) struct Waker(OnceLock<Thread>);

impl Waker {
    /// The current thread is the reader. Until this is said, waking does nothing, and the reader is awake anyway.
    pub(super) fn here(&self) {
        self.0.get_or_init(std::thread::current);
    }

    /// Ends the reader's sleep, or its next one.
    pub(super) fn wake(&self) {
        if let Some(reader) = self.0.get() {
            reader.unpark();
        }
    }
}
