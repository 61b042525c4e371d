//! A handler as routes know it: by its name, in whichever version is the newest.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// Where routes take the version of a handler from that a message goes to.
pub struct Slot<H>(ArcSwap<H>);

impl<H> Slot<H> {
    /// With its first version.
    pub fn new(handler: H) -> Self {
        Self(ArcSwap::from_pointee(handler))
    }

    /// The version that messages go to now. Whoever has it finishes with it.
    pub fn current(&self) -> Arc<H> {
        self.0.load_full()
    }

    /// From now on messages go to this version.
    pub fn replace(&self, handler: H) {
        self.0.store(Arc::new(handler));
    }
}
