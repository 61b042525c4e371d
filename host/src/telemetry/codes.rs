//! Counters of attempts by class and code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use metrics::{Counter, counter};

use cofferdam_core::outcome::{Class, Code, Failure};

/// Codes of handlers that a route tells apart; what comes later is counted as `OTHER`. The host's own are a closed set.
pub const CODES_OF_HANDLERS: usize = 100;

/// Counters by outcome and code, and which codes there are.
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

    /// Counts an attempt that ended well (`None`) or failed.
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

    /// The code to show for this failure: its own while there is room for it.
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
