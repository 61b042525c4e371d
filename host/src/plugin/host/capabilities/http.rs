//! `wasi:http`: requests to the hosts that a plugin was granted.

mod address;
mod body;
mod breaker;
mod client;
mod connect;
mod failure;
mod received;
pub(in crate::plugin) mod requests;
mod resolve;
mod rule;

pub use address::Reach;
pub use breaker::BreakerConfig;
pub use client::{Client, Config};
pub use rule::Rule;
