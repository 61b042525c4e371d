//! The current version of a handler, under the name that routes use.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// Holds the current version of a handler. Routes take it from here for each message.
pub struct Slot<H>(ArcSwap<H>);

impl<H> Slot<H> {
    /// Makes a slot with the first version.
    pub fn new(handler: H) -> Self {
        Self(ArcSwap::from_pointee(handler))
    }

    /// The current version. A caller keeps its version until it is finished.
    pub fn current(&self) -> Arc<H> {
        self.0.load_full()
    }

    /// Replaces the version for all later messages.
    pub fn replace(&self, handler: H) {
        self.0.store(Arc::new(handler));
    }
}
