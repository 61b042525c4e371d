//! The host.

#[cfg(feature = "embedded")]
pub mod embedded;
pub mod kafka;
pub mod sink;
pub mod source;
