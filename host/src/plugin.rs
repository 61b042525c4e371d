//! Untrusted handlers: each message is handled in a sandbox.
//!
//! A [`Plugin`] is a component that implements the contract in the folder `wit`. [`Plugin::handle`] handles one message and
//! always returns an [`Attempt`]: an outcome of the closed set, the resources used, and the log lines. A guest cannot end an
//! attempt in another way, nor can a panic of a host function.
//!
//! The engine is wasmtime, with a pool of slots for instances. An instance is reused for a bounded number of messages, and
//! dropped after any failure of the sandbox. A running guest is stopped by epoch ticks, and a guest that waits in a host
//! call by a timer.
//!
//! This file only names what the rest of the host may use. The folders are layers (`tests/tests/floors.rs` checks that),
//! from the lowest:
//!
//! | module | what it is |
//! |---|---|
//! | `limits`, `secrets`, `symbols` | limits; redaction; names and lines of functions |
//! | `uncaught`, `engine` | errors that language runtimes report on standard error; wasmtime |
//! | `host` | the state of an instance, its [`Spec`], the capabilities |
//! | `contract` | messages in and answers out, for each contract |
//! | `load` | turns a file into a component that can be instantiated, or refuses it |
//! | `run` | [`Engine`] and [`Plugin`]: attempts, instances, outcomes |

mod contract;
mod engine;
mod host;
mod limits;
mod load;
mod run;
mod secrets;
mod symbols;
mod uncaught;

#[cfg(test)]
mod tests;

pub use crate::handler::{Attempt, Batch, Level, LogLine, LogLines};
pub use contract::Contract;
pub use engine::compiler;
pub use engine::runtimes::EngineError;
pub use engine::settings::{CompileBounds, EngineConfig};
pub use host::budget::be_exact_on_this_thread;
pub use host::capabilities::{http, keyvalue};
pub use host::spec::{Denied, Spec};
pub use limits::{Limit, Limits, Unit};
pub use load::{LoadError, Missing, Refusal, digest_of};
pub use run::engine::Engine;
pub use run::plugin::Plugin;
pub use secrets::Secrets;
