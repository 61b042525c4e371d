//! What all plugins of a process share: compiler, instance pool, ticker.
//!
//! A guest is stopped, and made to let other tasks run, at the ticks of an epoch: a thread raises the epoch each
//! millisecond (each fourth while no guest runs for long), and compiled code looks at it at each function and each turn of a
//! loop. That costs a guest 5 to 25 % of its own work and nothing per call.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use super::cache::Cache;
use super::capabilities;
use super::clock;
use super::compiler::CompileBounds;
use super::contract;
use super::idle::{Idle, Warm};
use super::sleepers::{Asleep, Sleepers};
use super::state::State;
use super::ticker::{Pulse, Ticker};

/// How the engine is built.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Instances that live at the same time, running or kept warm, over all plugins; 1000. Each reserves some
    /// 12 GiB of addresses, not of memory.
    pub instances: u32,
    /// The largest memory limit that a plugin may have, bytes; 1 GiB.
    pub memory: usize,
    /// The largest limit on table elements that a plugin may have; 100,000.
    pub table_elements: usize,
    /// Where compiled plugins are kept; `None` compiles at each load.
    pub cache: Option<PathBuf>,
    /// The program that compiles plugins in a process of its own: `cofferdam`, or any whose first argument
    /// [`compiler::COMMAND`](super::compiler::COMMAND) leads to [`compiler::main`](super::compiler::main). `None`
    /// compiles in this process, on all cores and without other bounds than that on the size.
    pub compiler: Option<PathBuf>,
    /// What compiling one plugin may take.
    pub compile: CompileBounds,
}

impl EngineConfig {
    /// Instances that have room in one piece of the 128 TiB of addresses of a process, over all sizes of stack.
    pub const MOST_INSTANCES: u32 = 5_000;
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            instances: 1000,
            memory: 1 << 30,
            table_elements: 100_000,
            cache: None,
            compiler: None,
            compile: CompileBounds::default(),
        }
    }
}

/// One per process; a clone is the same engine.
///
/// The threads that stop and wake guests end, and are waited for, when the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    config: EngineConfig,
    cache: Option<Cache>,
    /// By size of the guest's stack, which is the one limit that wasmtime has for an engine, not for a store.
    /// Nearly always there is one entry.
    runtimes: Mutex<BTreeMap<usize, Arc<Runtime>>>,
    ticker: Ticker,
    sleepers: Sleepers,
    /// The warm instances of all plugins.
    warm: Arc<Warm>,
}

/// A wasmtime engine for one size of stack, with what may be linked to its components.
pub(super) struct Runtime {
    pub(super) engine: wasmtime::Engine,
    /// WASI, configuration, logging, and the key-value store: what was not granted is refused by name before
    /// anything is linked.
    pub(super) linker: Linker<State>,
    /// How often it ticks.
    pub(super) pulse: Arc<Pulse>,
    /// Its guests that sleep.
    pub(super) asleep: Arc<Asleep>,
}

/// Why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration, or the addresses for the pool could not be reserved.
    #[error("the sandbox for {instances} instances could not be set up: {source}")]
    Sandbox {
        /// Instances asked for.
        instances: u32,
        /// wasmtime's reason.
        source: wasmtime::Error,
    },
    /// The threads that stop guests, and wake them, could not be started.
    #[error("the threads that stop guests, and wake them, could not be started: {0}")]
    Threads(std::io::Error),
}

impl Engine {
    /// Sets up the sandbox and starts the ticker. Warns where the kernel lacks what makes fresh instances cheap.
    ///
    /// # Errors
    /// Where the addresses for the pool cannot be reserved (RLIMIT_AS, strict overcommit) or no thread can start.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        if !Self::instances_reset_cheaply() {
            tracing::warn!(
                "the kernel has no PAGEMAP_SCAN (Linux 6.7 and later): a fresh instance for each message costs \
                 twice as much and does not scale over cores; leave instances.reuse above 1"
            );
        }
        let cache = config.cache.as_deref().and_then(Cache::open);
        let warm = Arc::new(Warm::default());
        let ticker = Ticker::start(Arc::clone(&warm)).map_err(EngineError::Threads)?;
        let sleepers = Sleepers::start().map_err(EngineError::Threads)?;
        let engine = Self(Arc::new(Shared { config, cache, runtimes: Mutex::default(), ticker, sleepers, warm }));
        engine.runtime(super::Limits::default().stack)?;
        Ok(engine)
    }

    /// Whether the kernel can tell which pages of an instance were written, so that a slot of the pool is reset
    /// without giving its memory back.
    pub fn instances_reset_cheaply() -> bool {
        PoolingAllocationConfig::is_pagemap_scan_available()
    }

    /// How it was built.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
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

    /// The runtime for guests with `stack` bytes of call stack.
    pub(super) fn runtime(&self, stack: usize) -> Result<Arc<Runtime>, EngineError> {
        let mut runtimes = self.0.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtimes.get(&stack) {
            return Ok(Arc::clone(runtime));
        }
        let instances = self.0.config.instances;
        let (pulse, asleep) = (Arc::clone(self.0.ticker.pulse()), Arc::clone(self.0.sleepers.asleep()));
        let runtime = Runtime::new(&self.0.config, stack, pulse, asleep)
            .map(Arc::new)
            .map_err(|source| EngineError::Sandbox { instances, source })?;
        self.0.ticker.add(&runtime.engine);
        runtimes.insert(stack, Arc::clone(&runtime));
        Ok(runtime)
    }
}

impl Runtime {
    fn new(config: &EngineConfig, stack: usize, pulse: Arc<Pulse>, asleep: Arc<Asleep>) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&settings(config, stack))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        clock::add_to_linker(&mut linker)?;
        capabilities::add_to_linker(&mut linker)?;
        contract::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker, pulse, asleep })
    }
}

/// An engine that compiles code for those of all runtimes, and runs none.
pub(super) fn compiler() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&code_settings())
}

fn settings(config: &EngineConfig, stack: usize) -> Config {
    let mut settings = code_settings();
    settings
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK)
        .wasm_backtrace_max_frames(NonZeroUsize::new(super::backtrace::FRAMES))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    settings
}

/// What the compiler and those who run its code must agree on.
fn code_settings() -> Config {
    let mut settings = Config::new();
    settings
        .strategy(Strategy::Cranelift)
        // Its bookkeeping doubles the cost of a call, and serves async components only, which are not offered.
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .memory_init_cow(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false);
    settings
}

/// What host functions may use of the stack that a guest runs on, bytes.
const HOST_STACK: usize = (2 << 20) - (256 << 10);

/// Core instances of one component; language runtimes have up to 5, composed components more.
const CORE_INSTANCES: u32 = 50;
/// Memories of one component; language runtimes have up to 3. Each takes 4 GiB of addresses.
const MEMORIES: u32 = 3;
/// Tables of one component; language runtimes have up to 3.
const TABLES: u32 = 8;

fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let instances = config.instances;
    let mut pool = PoolingAllocationConfig::new();
    // Each instance has room for all that one component may consist of, so that none takes the room of another.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(instances.saturating_mul(MEMORIES))
        .max_memories_per_component(MEMORIES)
        .total_tables(instances.saturating_mul(TABLES))
        .max_tables_per_component(TABLES)
        .total_stacks(instances)
        .max_memories_per_module(2)
        .max_tables_per_module(4)
        .max_memory_size(config.memory)
        .table_elements(config.table_elements)
        // A slot that was used by the same plugin before is four times cheaper than a cold one.
        .max_unused_warm_slots(instances)
        .pagemap_scan(Enabled::Auto);
    // Without the scan, keeping pages means clearing all of them each time, which costs more than it saves.
    if Engine::instances_reset_cheaply() {
        pool.linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
    }
    pool
}
