//! The host.

pub mod admin;
pub mod telemetry;
