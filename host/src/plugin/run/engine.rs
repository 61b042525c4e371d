//! The engine of a process, as the rest of the host has it: the runtimes, filled with all that a plugin may import, and
//! the instances that wait.

use std::sync::Arc;

use wasmtime::component::Linker;

use super::idle::{Idle, Warm};
use crate::plugin::contract;
use crate::plugin::engine::runtimes::{EngineError, Runtimes};
use crate::plugin::engine::settings::{self, EngineConfig};
use crate::plugin::host::capabilities;
use crate::plugin::host::state::State;

/// One per process; a clone is the same engine.
///
/// The threads that stop and wake guests end, and are waited for, when the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    runtimes: Runtimes<State>,
    /// The warm instances of all plugins.
    warm: Arc<Warm>,
}

impl Engine {
    /// Sets up the sandbox and starts the ticker. Warns where the kernel lacks what makes fresh instances cheap.
    ///
    /// # Errors
    /// Where the addresses for the pool cannot be reserved (RLIMIT_AS, strict overcommit) or no thread can start.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let warm = Arc::new(Warm::default());
        let runtimes = Runtimes::new(config, fill, {
            let warm = Arc::clone(&warm);
            move || warm.tidy()
        })?;
        Ok(Self(Arc::new(Shared { runtimes, warm })))
    }

    /// Whether the kernel can tell which pages of an instance were written, so that a slot of the pool is reset
    /// without giving its memory back.
    pub fn instances_reset_cheaply() -> bool {
        settings::instances_reset_cheaply()
    }

    /// How it was built.
    pub fn config(&self) -> &EngineConfig {
        self.0.runtimes.config()
    }

    pub(in crate::plugin) fn runtimes(&self) -> &Runtimes<State> {
        &self.0.runtimes
    }

    /// A plugin keeps warm instances here.
    pub(super) fn watch_idle(&self, idle: &Arc<Idle>) {
        self.0.warm.watch(idle);
    }

    /// Drops the warm instances of all plugins, for one of them found the pool exhausted; says whether there were
    /// any. Without it, plugins that nobody calls could keep all slots for ever.
    pub(super) fn make_room(&self) -> bool {
        self.0.warm.clear() > 0
    }
}

/// All that a component may import. What a plugin was not granted is refused by name when it is loaded.
fn fill(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    capabilities::add_to_linker(linker)?;
    contract::add_to_linker(linker)
}
