//! How wasmtime is set up: what its compiler and those who run the code must agree on, and the pool of instances.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

use crate::plugin::symbols::FRAMES;

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

/// What compiling one plugin may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileBounds {
    /// Of its file, bytes; 64 MiB.
    pub size: u64,
    /// Of processor, over all threads of the compiler; 60 s, kept in whole seconds. By the clock it is twice as long.
    pub time: Duration,
    /// Of the compiler, bytes; 1 GiB. Four times what the largest language runtimes need.
    pub memory: u64,
}

impl Default for CompileBounds {
    fn default() -> Self {
        Self { size: 64 << 20, time: Duration::from_secs(60), memory: 1 << 30 }
    }
}

/// Whether the kernel can tell which pages of an instance were written, so that a slot of the pool is reset without
/// giving its memory back.
pub(in crate::plugin) fn instances_reset_cheaply() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// An engine that compiles code for those of all runtimes, and runs none.
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
    if instances_reset_cheaply() {
        pool.linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
    }
    pool
}
