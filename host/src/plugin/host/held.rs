//! What the host keeps for an instance outside of its memory, where the guest has a handle only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that is kept for one instance, bytes: a few values of the largest size.
const MOST: usize = 16 << 20;

/// How much is kept for one instance.
#[derive(Debug, Default, Clone)]
pub(in crate::plugin) struct Held(Arc<AtomicUsize>);

/// A part of it; given back when it is dropped.
#[derive(Debug)]
pub(in crate::plugin) struct Share {
    held: Held,
    bytes: usize,
}

impl Held {
    /// Room for `bytes` more, if there is.
    pub(in crate::plugin) fn take(&self, bytes: usize) -> Option<Share> {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= MOST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share { held: self.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
