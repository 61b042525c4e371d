//! Handlers that other people wrote, each message in a sandbox.
//!
//! A [`Plugin`] is a component of the contract in the folder `wit`. [`Plugin::handle`] gives it one message and
//! always comes back with an [`Attempt`]: an outcome of the closed set, what it used, and what it logged. Nothing
//! a guest does, and no panic of a host function, comes out of it in another way.
//!
//! The engine is wasmtime, with a pool of slots for instances; an instance is reused for a bounded number of
//! messages and dropped after anything that did not end well. A guest is stopped by the ticks of an epoch while it
//! runs, and by a timer while it waits in a host call.
//!
//! This file only names what the rest of the host may use. The folders have floors (`tests/tests/floors.rs`), from the lowest:
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
pub use limits::Limits;
pub use load::{LoadError, Missing, Refusal, digest_of};
pub use run::engine::Engine;
pub use run::plugin::Plugin;
pub use secrets::Secrets;
