//! wasmtime: its settings, the compiler process, the cache of compiled code, the ticker and the sleepers.
//!
//! Nothing here knows what a guest may call, or that it handles messages. [`runtimes::Runtimes`] is generic over what a
//! store carries, and is given a function that fills the linker.

pub(in crate::plugin) mod cache;
pub mod compiler;
pub(in crate::plugin) mod core_module;
pub(in crate::plugin) mod image;
pub(in crate::plugin) mod runtimes;
pub(in crate::plugin) mod settings;
pub(in crate::plugin) mod sleepers;
pub(in crate::plugin) mod ticker;
