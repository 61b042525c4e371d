//! How many messages one call may have.
//!
//! The limits of a call are those of one message, outputs aside, which each message has for itself. So how many messages a
//! call may have depends on the plugin: after a call that failed as a whole there are half as many in the next, after each
//! that did not, one more.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many messages a call may have just now.
#[derive(Debug)]
pub(super) struct BatchSize {
    now: AtomicU32,
    most: u32,
}

impl BatchSize {
    /// Begins with the most.
    pub(super) fn new(most: u32) -> Self {
        Self { now: AtomicU32::new(most), most }
    }

    pub(super) fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn shrink(&self, from: u32) {
        self.now.fetch_min((from / 2).max(2), Ordering::Relaxed);
    }

    pub(super) fn grow(&self) {
        // Two at the same time may count as one.
        self.now.store(self.now().saturating_add(1).min(self.most), Ordering::Relaxed);
    }
}
