//! Running a plugin: instances, kept and dropped, and what the end of an attempt is called.

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
