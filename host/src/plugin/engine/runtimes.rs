//! What all plugins of a process share: compiled code, instance pool, ticker.
//!
//! A guest is stopped, and made to let other tasks run, at the ticks of an epoch: a thread raises the epoch each
//! millisecond (each fourth while no guest runs for long), and compiled code looks at it at each function and each turn of a
//! loop. That costs a guest 5 to 25 % of its own work and nothing per call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;

use super::cache::Cache;
use super::settings::{EngineConfig, instances_reset_cheaply, settings};
use super::sleepers::{Asleep, Sleepers};
use super::ticker::{Pulse, Ticker};
use crate::plugin::limits::Limits;

/// The runtimes of a process, whose stores carry an `S`. The threads that stop and wake guests end, and are waited for,
/// when it is dropped.
pub(in crate::plugin) struct Runtimes<S: 'static> {
    config: EngineConfig,
    fill: Fill<S>,
    cache: Option<Cache>,
    /// By size of the guest's stack, which is the one limit that wasmtime has for an engine, not for a store.
    /// Nearly always there is one entry.
    all: Mutex<BTreeMap<usize, Arc<Runtime<S>>>>,
    ticker: Ticker,
    sleepers: Sleepers,
}

/// Links all that components may import.
pub(in crate::plugin) type Fill<S> = fn(&mut Linker<S>) -> wasmtime::Result<()>;

/// A wasmtime engine for one size of stack, with what may be linked to its components.
pub(in crate::plugin) struct Runtime<S: 'static> {
    pub(in crate::plugin) engine: wasmtime::Engine,
    /// All that any plugin may be granted: what this one was not granted is refused by name before anything is linked.
    pub(in crate::plugin) linker: Linker<S>,
    /// How often it ticks.
    pub(in crate::plugin) pulse: Arc<Pulse>,
    /// Its guests that sleep.
    pub(in crate::plugin) asleep: Arc<Asleep>,
}

/// Why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration, or the addresses for the pool could not be reserved.
    #[error("failed to set up the sandbox for {instances} instances: {source}")]
    Sandbox {
        /// Instances asked for.
        instances: u32,
        /// wasmtime's reason.
        source: wasmtime::Error,
    },
    /// The threads that stop guests, and wake them, could not be started.
    #[error("failed to start the timer threads: {0}")]
    Threads(std::io::Error),
}

impl<S: 'static> Runtimes<S> {
    /// Sets up the sandbox and starts the threads; calls `tidy` about once a second. Warns where the kernel lacks what makes
    /// fresh instances cheap.
    ///
    /// # Errors
    /// Where the addresses for the pool cannot be reserved (RLIMIT_AS, strict overcommit) or no thread can start.
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

    /// How it was built.
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
