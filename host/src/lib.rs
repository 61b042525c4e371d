//! The host.

pub mod kafka;
pub mod sink;
pub mod source;
