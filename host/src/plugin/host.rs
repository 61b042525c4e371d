//! The host side of one instance: the functions that a guest can call, its budget, its logs and its outputs.

pub(in crate::plugin) mod budget;
pub(in crate::plugin) mod capabilities;
pub(in crate::plugin) mod denials;
pub(in crate::plugin) mod held;
pub(in crate::plugin) mod last_words;
pub(in crate::plugin) mod limiter;
pub(in crate::plugin) mod logs;
pub(in crate::plugin) mod outbox;
pub(in crate::plugin) mod spec;
pub(in crate::plugin) mod state;
