//! Denied capabilities: counted, logged, and answered as the plugin is configured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;

use super::logs::Sink;
use super::spec::{Denied, Spec};

/// The denials of one instance.
pub(in crate::plugin) struct Denials {
    spec: Arc<Spec>,
    logs: Sink,
    /// The denial that ends the attempt.
    fatal: Mutex<Option<Box<str>>>,
}

impl Denials {
    pub(in crate::plugin) fn new(spec: Arc<Spec>, logs: Sink) -> Self {
        Self { spec, logs, fatal: Mutex::default() }
    }

    fn fatal(&self) -> MutexGuard<'_, Option<Box<str>>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the use of `capability` for `what` was denied. `reason` is the value of a metric label.
    pub(in crate::plugin) fn note(&self, capability: &'static str, reason: &'static str, what: &str) {
        count(&self.spec.name, capability, reason);
        self.logs.lock().denied(capability, what);
        if self.spec.denied == Denied::Fail {
            self.fatal().get_or_insert_with(|| what.into());
        }
    }

    /// Begins a new attempt.
    pub(in crate::plugin) fn forget(&self) {
        if self.spec.denied == Denied::Fail {
            *self.fatal() = None;
        }
    }

    /// Returns whether a denial ends the attempt.
    pub(in crate::plugin) fn is_fatal(&self) -> bool {
        self.spec.denied == Denied::Fail && self.fatal().is_some()
    }

    /// Returns the denial that ends the attempt.
    pub(in crate::plugin) fn reason(&self) -> Option<Box<str>> {
        self.fatal().clone()
    }
}

/// Counts one denial.
pub(in crate::plugin) fn count(plugin: &str, capability: &'static str, reason: &'static str) {
    let plugin = plugin.to_owned();
    counter!("cofferdam_capability_denied_total", "plugin" => plugin, "capability" => capability, "reason" => reason)
        .increment(1);
}
