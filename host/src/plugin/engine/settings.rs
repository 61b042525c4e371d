//! The settings of wasmtime: those that must be equal for the compiler and for running its code, and the pool of instances.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use crate::plugin::symbols::FRAMES;

/// The settings of the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Maximum number of instances, running or warm, over all plugins; 1000 by default. Each reserves about 12 GiB of
    /// addresses, not of memory.
    pub instances: u32,
    /// The largest memory limit that a plugin may have, in bytes; 1 GiB by default.
    pub memory: usize,
    /// The largest limit on table elements that a plugin may have; 100,000 by default.
    pub table_elements: usize,
    /// The folder of compiled plugins; `None`: compile at each load.
    pub cache: Option<PathBuf>,
    /// The program that compiles plugins in a process of its own: `cofferdam`, or any whose first argument
    /// [`compiler::COMMAND`](super::compiler::COMMAND) leads to [`compiler::main`](super::compiler::main). `None`
    /// compiles in this process, on all cores and without other bounds than that on the size.
    pub compiler: Option<PathBuf>,
    /// The bounds on compiling one plugin.
    pub compile: CompileBounds,
}

impl EngineConfig {
    /// Number of instances that fit into the 128 TiB of addresses of a process, over all sizes of stack.
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

/// The bounds on compiling one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileBounds {
    /// Maximum size of the plugin's file in bytes; 64 MiB by default.
    pub size: u64,
    /// Maximum CPU time over all threads of the compiler, in whole seconds; 60 s by default. The limit on wall time is twice
    /// as long.
    pub time: Duration,
    /// Maximum memory of the compiler in bytes; 1 GiB by default.
    pub memory: u64,
}

impl Default for CompileBounds {
    fn default() -> Self {
        Self { size: 64 << 20, time: Duration::from_secs(60), memory: 1 << 30 }
    }
}

/// Whether the kernel can tell which pages of an instance were written, so that a slot of the pool can be reset without
/// freeing its memory.
pub(in crate::plugin) fn instances_reset_cheaply() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// Makes an engine that compiles code for the engines of all runtimes, and runs none.
pub(in crate::plugin) fn compiler() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&code_settings())
}

pub(super) fn settings(config: &EngineConfig, stack: usize) -> Config {
    let mut settings = code_settings();
    settings
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    settings
}

/// The settings that must be equal for the compiler and for running its code.
fn code_settings() -> Config {
    let mut settings = Config::new();
    settings
        .strategy(Strategy::Cranelift)
        // This feature would double the cost of a call, and serves only async components, which are not supported.
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .memory_init_cow(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false);
    settings
}

/// Bytes that host functions may use of the stack of a guest.
const HOST_STACK: usize = (2 << 20) - (256 << 10);

/// Maximum core instances of one component. Language runtimes have up to 5, composed components more.
const CORE_INSTANCES: u32 = 50;
/// Maximum memories of one component; language runtimes have up to 3. Each reserves 4 GiB of addresses.
const MEMORIES: u32 = 3;
/// Maximum tables of one component; language runtimes have up to 3.
const TABLES: u32 = 8;

fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let instances = config.instances;
    let mut pool = PoolingAllocationConfig::new();
    // Each instance reserves the maximum of one component, so that no instance takes the room of another.
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
        // A slot that the same plugin has used before is much cheaper than a cold one.
        .max_unused_warm_slots(instances)
        .pagemap_scan(Enabled::Auto);
    // Without this feature of the kernel, kept pages must all be cleared each time, which costs more than it saves.
    if instances_reset_cheaply() {
        pool.linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
    }
    pool
}
