//! The host.

pub mod aws;
pub mod clock;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod kafka;
pub mod sink;
pub mod source;
