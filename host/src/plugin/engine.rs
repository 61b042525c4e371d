//! wasmtime, as one process has it: compiler and cache of what was compiled, pool of instances, ticker and sleepers.
//!
//! Nothing here knows what a guest may call, or that it handles messages: [`runtimes::Runtimes`] is told what to link.

pub(in crate::plugin) mod cache;
pub mod compiler;
pub(in crate::plugin) mod core_module;
pub(in crate::plugin) mod image;
pub(in crate::plugin) mod runtimes;
pub(in crate::plugin) mod settings;
pub(in crate::plugin) mod sleepers;
pub(in crate::plugin) mod ticker;
