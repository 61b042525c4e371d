//! The number of messages in one call.
//!
//! The limits of a call are those of one message, except for outputs, where each message has its own. So the suitable number
//! of messages depends on the plugin: after a call that failed as a whole the next one has half as many; after any other
//! call, one more.

use std::sync::atomic::{AtomicU32, Ordering};

/// The current maximum number of messages in a call.
#[derive(Debug)]
pub(super) struct BatchSize {
    now: AtomicU32,
    most: u32,
}

impl BatchSize {
    /// Starts with the maximum.
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
        // Two concurrent calls may count as one.
        self.now.store(self.now().saturating_add(1).min(self.most), Ordering::Relaxed);
    }
}
