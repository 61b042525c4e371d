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

use super::Capability;

/// In any version of WASI 0.2.
const INTERFACES: [&str; 2] = ["wasi:http/types@0.2.*", "wasi:http/outgoing-handler@0.2.*"];

pub(super) const CAPABILITY: Capability = Capability {
    name: "http",
    title: "wasi:http",
    grant: Some("http = [\"<host>\"]"),
    interfaces: &INTERFACES,
    granted: |spec| spec.http.is_some(),
    add_to_linker: wasmtime_wasi_http::p2::add_only_http_to_linker_async,
};
