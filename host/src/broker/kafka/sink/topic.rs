//! A destination topic of the producer.

use std::ffi::{CStr, CString};
use std::sync::{Arc, OnceLock};

use metrics::Counter;

/// Number of partitions whose counters are kept; counters of higher partitions are looked up for each message.
const KEPT: usize = 256;

/// The name as a C string, and the counters. They are kept, so that a message needs no allocation for them.
pub(super) struct Topic {
    name: Arc<str>,
    native_name: CString,
    produced: Box<[OnceLock<Counter>]>,
}

impl Topic {
    /// Returns `None` if the name contains a zero byte.
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

    /// Counts a durable record of this partition.
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
