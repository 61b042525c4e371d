//! wasmtime: its settings, the compiler process, the cache of compiled code, the ticker and the sleepers.
//!
//! This folder does not depend on the functions that a guest may call, nor on messages. [`runtimes::Runtimes`] is generic
//! over the content of a store, and takes a function that fills the linker.

pub(in crate::plugin) mod cache;
pub mod compiler;
pub(in crate::plugin) mod core_module;
pub(in crate::plugin) mod image;
pub(in crate::plugin) mod runtimes;
pub(in crate::plugin) mod settings;
pub(in crate::plugin) mod sleepers;
pub(in crate::plugin) mod ticker;
