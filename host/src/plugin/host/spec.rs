//! The settings and grants of a plugin.

use std::collections::BTreeMap;
use std::time::Duration;

use super::capabilities::http::Client;
use super::capabilities::keyvalue::store::Bucket;
use crate::handler::Batch;
use crate::plugin::limits::Limits;
use crate::plugin::secrets::Secrets;

/// The settings and grants of a plugin.
#[derive(Clone)]
pub struct Spec {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// The limits of one attempt.
    pub limits: Limits,
    /// Its configuration values, for `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Its secret configuration values, which are redacted in its logs and failures.
    pub secrets: Secrets,
    /// Messages that one instance handles before it is dropped. Default: 256. With 0 or 1 each message gets a fresh
    /// instance.
    pub reuse: u32,
    /// Maximum age of an instance when it gets a message. Default: unlimited.
    pub max_age: Duration,
    /// Approximate number of idle instances that are kept without a time limit. Default: 32. As many as were recently
    /// busy at the same time are kept too, and are dropped gradually when idle. All count against the instances of the
    /// engine.
    pub idle: usize,
    /// Measures CPU time with the thread clock from the first poll on, which costs about 0.3 microseconds per message.
    /// Otherwise the first two ticks use the wall clock, which counts too much if the thread waited for a CPU.
    pub exact_cpu_time: bool,
    /// The granted bucket of the key-value store.
    pub keyvalue: Option<Bucket>,
    /// Limits of a call with several messages, if the plugin handles batches.
    pub batch: Batch,
    /// The client for granted HTTP requests.
    pub http: Option<Client>,
    /// What happens when the plugin uses a capability that it was not granted.
    pub denied: Denied,
}

impl Spec {
    /// Creates the settings of a plugin `name` with default limits, without configuration and grants.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            limits: Limits::default(),
            config: BTreeMap::new(),
            secrets: Secrets::default(),
            reuse: 256,
            max_age: Duration::MAX,
            idle: 32,
            exact_cpu_time: false,
            keyvalue: None,
            batch: Batch::default(),
            http: None,
            denied: Denied::default(),
        }
    }
}

/// What happens when a plugin uses a capability that it was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Denied {
    /// The host call returns an error.
    #[default]
    Error,
    /// The attempt ends.
    Fail,
}
