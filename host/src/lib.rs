//! The host.

#[cfg(feature = "embedded")]
pub mod embedded;
