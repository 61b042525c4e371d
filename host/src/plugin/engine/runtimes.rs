//! The parts that all plugins of a process share: compiled code, instance pool, ticker.
//!
//! A guest is stopped, and made to yield to other tasks, at epoch ticks: a thread raises the epoch each millisecond (each
//! fourth one while no guest runs for long), and compiled code checks it at each function and each iteration of a loop. That
//! costs a guest some of its CPU time, and nothing for each call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;

use super::cache::Cache;
use super::settings::{EngineConfig, instances_reset_cheaply, settings};
use super::sleepers::{Asleep, Sleepers};
use super::ticker::{Pulse, Ticker};
use crate::plugin::limits::Limits;

/// The runtimes of a process, with stores that contain an `S`. The drop ends the threads that stop and wake guests, and
/// waits for them.
pub(in crate::plugin) struct Runtimes<S: 'static> {
    config: EngineConfig,
    fill: Fill<S>,
    cache: Option<Cache>,
    /// The runtimes by the size of the guest's stack, which is the only limit that wasmtime sets for an engine instead of a
    /// store. There is nearly always one entry.
    all: Mutex<BTreeMap<usize, Arc<Runtime<S>>>>,
    ticker: Ticker,
    sleepers: Sleepers,
}

/// Links all imports that components may have.
pub(in crate::plugin) type Fill<S> = fn(&mut Linker<S>) -> wasmtime::Result<()>;

/// A wasmtime engine for one size of stack, with everything that its components may import.
pub(in crate::plugin) struct Runtime<S: 'static> {
    pub(in crate::plugin) engine: wasmtime::Engine,
    /// All imports that any plugin may be granted. Imports that were not granted to a plugin are refused by name before
    /// linking.
    pub(in crate::plugin) linker: Linker<S>,
    /// The interval of its ticks.
    pub(in crate::plugin) pulse: Arc<Pulse>,
    /// Its sleeping guests.
    pub(in crate::plugin) asleep: Arc<Asleep>,
}

/// The reason why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the settings, or the addresses for the pool could not be reserved.
    #[error("failed to set up the sandbox for {instances} instances: {source}")]
    Sandbox {
        /// Requested number of instances.
        instances: u32,
        /// The error of wasmtime.
        source: wasmtime::Error,
    },
    /// The threads that stop and wake guests could not be started.
    #[error("failed to start the timer threads: {0}")]
    Threads(std::io::Error),
}

impl<S: 'static> Runtimes<S> {
    /// Sets up the sandbox and starts the threads; calls `tidy` about once a second. Logs a warning if the kernel lacks a
    /// feature that makes new instances cheap.
    ///
    /// # Errors
    /// The addresses for the pool cannot be reserved (RLIMIT_AS, strict overcommit), or a thread cannot start.
    pub(in crate::plugin) fn new(
        config: EngineConfig,
        fill: Fill<S>,
        tidy: impl Fn() + Send + 'static,
    ) -> Result<Self, EngineError> {
        if !instances_reset_cheaply() {
            tracing::warn!(
                "the kernel has no PAGEMAP_SCAN (Linux 6.7 and later): a fresh instance for each message costs \
                 twice as much and does not scale across cores; set instances.reuse above 1"
            );
        }
        let cache = config.cache.as_deref().and_then(Cache::open);
        let ticker = Ticker::start(tidy).map_err(EngineError::Threads)?;
        let sleepers = Sleepers::start().map_err(EngineError::Threads)?;
        let runtimes = Self { config, fill, cache, all: Mutex::default(), ticker, sleepers };
        runtimes.runtime(Limits::default().stack)?;
        Ok(runtimes)
    }

    /// The settings of the engine.
    pub(in crate::plugin) fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub(in crate::plugin) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The runtime for guests with `stack` bytes of call stack.
    pub(in crate::plugin) fn runtime(&self, stack: usize) -> Result<Arc<Runtime<S>>, EngineError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = all.get(&stack) {
            return Ok(Arc::clone(runtime));
        }
        let instances = self.config.instances;
        let runtime = self.make(stack).map(Arc::new).map_err(|source| EngineError::Sandbox { instances, source })?;
        self.ticker.add(&runtime.engine);
        all.insert(stack, Arc::clone(&runtime));
        Ok(runtime)
    }

    fn make(&self, stack: usize) -> wasmtime::Result<Runtime<S>> {
        let engine = wasmtime::Engine::new(&settings(&self.config, stack))?;
        let mut linker = Linker::new(&engine);
        (self.fill)(&mut linker)?;
        let (pulse, asleep) = (Arc::clone(self.ticker.pulse()), Arc::clone(self.sleepers.asleep()));
        Ok(Runtime { engine, linker, pulse, asleep })
    }
}
