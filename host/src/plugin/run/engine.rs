//! The engine of a process, as the rest of the host uses it: the runtimes with all imports that a plugin may have, and the
//! warm instances.

use std::sync::Arc;

use wasmtime::component::Linker;

use super::idle::{Idle, Warm};
use crate::plugin::contract;
use crate::plugin::engine::runtimes::{EngineError, Runtimes};
use crate::plugin::engine::settings::{self, EngineConfig};
use crate::plugin::host::capabilities;
use crate::plugin::host::state::State;

/// The engine; one for each process. A clone is the same engine.
///
/// The threads that stop and wake guests end when the last clone and the last plugin are dropped; the drop waits for them.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    runtimes: Runtimes<State>,
    /// The warm instances of all plugins.
    warm: Arc<Warm>,
}

impl Engine {
    /// Sets up the sandbox and starts the ticker. Logs a warning if the kernel lacks a feature that makes new instances
    /// cheap.
    ///
    /// # Errors
    /// The addresses for the pool cannot be reserved (RLIMIT_AS, strict overcommit), or a thread cannot start.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let warm = Arc::new(Warm::default());
        let runtimes = Runtimes::new(config, fill, {
            let warm = Arc::clone(&warm);
            move || warm.tidy()
        })?;
        Ok(Self(Arc::new(Shared { runtimes, warm })))
    }

    /// Whether the kernel can tell which pages of an instance were written, so that a slot of the pool can be reset without
    /// freeing its memory.
    pub fn instances_reset_cheaply() -> bool {
        settings::instances_reset_cheaply()
    }

    /// The settings of the engine.
    pub fn config(&self) -> &EngineConfig {
        self.0.runtimes.config()
    }

    pub(in crate::plugin) fn runtimes(&self) -> &Runtimes<State> {
        &self.0.runtimes
    }

    /// Registers the warm instances of a plugin.
    pub(super) fn watch_idle(&self, idle: &Arc<Idle>) {
        self.0.warm.watch(idle);
    }

    /// Drops the warm instances of all plugins, because a plugin found the pool exhausted. Returns whether there were any.
    /// Without this, unused plugins could keep all slots.
    pub(super) fn make_room(&self) -> bool {
        self.0.warm.clear() > 0
    }
}

/// Links all imports that a component may have. Loading refuses imports that were not granted to the plugin.
fn fill(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    capabilities::add_to_linker(linker)?;
    contract::add_to_linker(linker)
}
