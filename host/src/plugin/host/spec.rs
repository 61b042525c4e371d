//! How a plugin is to be run, and what it was granted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::capabilities::http::Client;
use super::capabilities::keyvalue::Bucket;
use crate::handler::Batch;
use crate::plugin::limits::Limits;
use crate::plugin::secrets::Secrets;

/// How a plugin is to be run.
#[derive(Clone)]
pub struct Spec {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// What one attempt may use.
    pub limits: Limits,
    /// Its own configuration, for `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// What it is given in the same way, and what is not shown in anything that it says.
    pub secrets: Secrets,
    /// Messages that one instance handles before it is dropped; 256. 0 and 1 mean a fresh one for each message.
    pub reuse: u32,
    /// How old an instance may be when a message comes to it; without bound by default.
    pub max_age: Duration,
    /// Instances that are kept however long nobody needs them, at most, about; 32. As many as were at work at the same
    /// time are kept too, and go by and by once nobody needs them. They count against those of the engine.
    pub idle: usize,
    /// Whether CPU time comes from the clock of the thread from the first moment on, which costs each message some 0.3
    /// microseconds. Without it the first two ticks are taken from the wall clock, and are too long where the thread
    /// had to wait for a processor.
    pub exact_cpu_time: bool,
    /// The bucket of a key-value store that it was granted.
    pub keyvalue: Option<Bucket>,
    /// Bounds of a call with several messages, where it takes them.
    pub batch: Batch,
    /// What it was granted of the network; what makes its requests.
    pub http: Option<Client>,
    /// What becomes of an attempt that asks for more.
    pub denied: Denied,
}

impl Spec {
    /// The defaults for a plugin called `name`, without configuration or grants.
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

/// What becomes of an attempt that asks for what it was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Denied {
    /// The call answers with an error.
    #[default]
    Error,
    /// It ends.
    Fail,
}
