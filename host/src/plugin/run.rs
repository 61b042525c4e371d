//! Runs plugins: attempts, reuse of instances, and the outcome of an attempt.

mod backtrace;
mod batch_size;
mod classify;
mod conclusion;
pub(in crate::plugin) mod engine;
mod handler;
mod idle;
mod instance;
pub(in crate::plugin) mod plugin;
mod suspicion;
mod watch;
