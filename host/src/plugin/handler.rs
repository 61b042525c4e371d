//! A plugin as routes know it: by its name, in whichever version is the newest.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Plugin;

/// Where routes take the version of a plugin from that a message goes to.
pub struct Handler(ArcSwap<Plugin>);

impl Handler {
    /// With its first version.
    pub fn new(plugin: Plugin) -> Self {
        Self(ArcSwap::from_pointee(plugin))
    }

    /// The version that messages go to now. Whoever has it finishes with it.
    pub fn current(&self) -> Arc<Plugin> {
        self.0.load_full()
    }

    /// From now on messages go to this version.
    pub fn replace(&self, plugin: Plugin) {
        self.0.store(Arc::new(plugin));
    }
}
