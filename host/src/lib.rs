//! The host.

pub mod telemetry;
