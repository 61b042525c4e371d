//! The host.

pub mod aws;
pub mod clock;
pub mod sink;
pub mod source;
