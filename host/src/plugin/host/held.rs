//! Limits the memory of the host that an instance occupies through handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum for one instance in bytes: a few values of the maximum size.
const MOST: usize = 16 << 20;

/// The bytes that one instance occupies.
#[derive(Debug, Default, Clone)]
pub(in crate::plugin) struct Held(Arc<AtomicUsize>);

/// A part of these bytes; released when it is dropped.
#[derive(Debug)]
pub(in crate::plugin) struct Share {
    held: Held,
    bytes: usize,
}

impl Held {
    /// Reserves `bytes` more; `None` if the maximum would be exceeded.
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
