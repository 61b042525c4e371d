//! A topic that is written to.

use std::ffi::{CStr, CString};
use std::sync::{Arc, OnceLock};

use metrics::Counter;

/// Partitions whose counters are kept at hand; those above are looked up for each message.
const KEPT: usize = 256;

/// Its name as librdkafka wants it, and its counters: kept, so that a message costs no allocation for them.
pub(super) struct Topic {
    name: Arc<str>,
    native_name: CString,
    produced: Box<[OnceLock<Counter>]>,
}

impl Topic {
    /// `None` where the name has a zero byte in it.
    pub(super) fn new(name: &Arc<str>) -> Option<Self> {
        let native_name = CString::new(&**name).ok()?;
        Some(Self { name: Arc::clone(name), native_name, produced: (0..KEPT).map(|_| OnceLock::new()).collect() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn native_name(&self) -> &CStr {
        &self.native_name
    }

    /// One more record is durable.
    pub(super) fn count(&self, partition: i32) {
        let kept = usize::try_from(partition).ok().and_then(|partition| self.produced.get(partition));
        match kept {
            Some(counter) => counter.get_or_init(|| self.counter(partition)).increment(1),
            None => self.counter(partition).increment(1),
        }
    }

    fn counter(&self, partition: i32) -> Counter {
        let topic = self.name.to_string();
        metrics::counter!("messages_produced_total", "topic" => topic, "partition" => partition.to_string())
    }
}
