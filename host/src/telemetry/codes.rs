//! Counters of attempts by outcome and code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use metrics::{Counter, counter};

use cofferdam_core::outcome::{Class, Code, Failure};

/// Maximum number of handler codes that a route counts by name; further codes count as `OTHER`. The codes of the host
/// are a closed set.
pub const CODES_OF_HANDLERS: usize = 100;

/// Counters by outcome and code, and the known codes of handlers.
#[derive(Debug)]
pub(super) struct Codes {
    route: Arc<str>,
    done: Counter,
    failed: BTreeMap<Class, HashMap<Code, Counter>>,
    of_handlers: HashSet<Code>,
    other: Code,
}

impl Codes {
    pub(super) fn new(route: Arc<str>) -> Self {
        Self {
            done: attempts(&route, Class::Done, ""),
            route,
            failed: BTreeMap::new(),
            of_handlers: HashSet::new(),
            other: Code::of_handler("OTHER"),
        }
    }

    /// Counts an attempt that succeeded (`None`) or failed.
    pub(super) fn ended(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure else {
            self.done.increment(1);
            return;
        };
        let code = self.admit(Some(failure));
        let codes = self.failed.entry(failure.class).or_default();
        if let Some(counter) = codes.get(&code) {
            counter.increment(1);
            return;
        }
        let counter = attempts(&self.route, failure.class, code.as_str());
        counter.increment(1);
        codes.insert(code, counter);
    }

    /// Returns the label for the code of this failure: the code itself, or `OTHER` for a new handler code over the
    /// maximum.
    pub(super) fn admit(&mut self, failure: Option<&Failure>) -> Code {
        let Some(failure) = failure else { return self.other.clone() };
        let of_handler = matches!(failure.class, Class::Retryable | Class::Permanent | Class::Deferred);
        if of_handler && !self.of_handlers.contains(&failure.code) {
            if self.of_handlers.len() >= CODES_OF_HANDLERS {
                return self.other.clone();
            }
            self.of_handlers.insert(failure.code.clone());
        }
        failure.code.clone()
    }
}

fn attempts(route: &Arc<str>, class: Class, code: &str) -> Counter {
    counter!(
        "cofferdam_attempts_total",
        "route" => Arc::clone(route), "outcome" => class.as_str(), "code" => code.to_owned()
    )
}
