//! The host.

pub mod config;
