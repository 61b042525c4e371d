//! What a plugin asked for and was not granted: counted, logged, and answered as the grant says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;

use super::Spec;
use super::logs::Sink;

/// What becomes of an attempt that asks for what it was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Denied {
    /// The call answers with an error.
    #[default]
    Error,
    /// It ends.
    Fail,
}

/// The denials of one instance.
pub(super) struct Denials {
    spec: Arc<Spec>,
    logs: Sink,
    /// What ends the attempt.
    fatal: Mutex<Option<Box<str>>>,
}

impl Denials {
    pub(super) fn new(spec: Arc<Spec>, logs: Sink) -> Self {
        Self { spec, logs, fatal: Mutex::default() }
    }

    fn fatal(&self) -> MutexGuard<'_, Option<Box<str>>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `capability` was asked for `what`, and refused for `reason`, a word for metrics.
    pub(super) fn note(&self, capability: &'static str, reason: &'static str, what: &str) {
        count(&self.spec.name, capability, reason);
        self.logs.lock().denied(capability, what);
        if self.spec.denied == Denied::Fail {
            self.fatal().get_or_insert_with(|| what.into());
        }
    }

    /// A new attempt begins.
    pub(super) fn forget(&self) {
        if self.spec.denied == Denied::Fail {
            *self.fatal() = None;
        }
    }

    /// Whether the attempt is to end.
    pub(super) fn is_fatal(&self) -> bool {
        self.spec.denied == Denied::Fail && self.fatal().is_some()
    }

    /// What ends the attempt.
    pub(super) fn reason(&self) -> Option<Box<str>> {
        self.fatal().clone()
    }
}

/// One more.
pub(super) fn count(plugin: &str, capability: &'static str, reason: &'static str) {
    let plugin = plugin.to_owned();
    counter!("cofferdam_capability_denied_total", "plugin" => plugin, "capability" => capability, "reason" => reason)
        .increment(1);
}
