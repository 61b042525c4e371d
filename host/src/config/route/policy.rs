//! `retry`, `codes` and `unrouted`: the handling of failures.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::outcome::Code;
use cofferdam_core::retry::Retry;
use cofferdam_core::verdict::{Moved, Policy, Unrouted};

use super::super::read::{Table, Value, show_duration};

const HOURS_12: Duration = Duration::from_secs(12 * 3_600);
const DAYS_30: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn policy(route: &Table<'_>) -> Policy {
    let mut policy = Policy::default();
    if let Some(value) = route.get("retry") {
        value.table("{ max_attempts = 5, initial_delay = \"1s\" }", |table| retry(table, &mut policy));
    }
    let words = [("dead_letter", Unrouted::DeadLetter), ("ignore", Unrouted::Ignore), ("stop", Unrouted::Stop)];
    if let Some(unrouted) = route.get("unrouted").and_then(|value| value.choice(&words)) {
        policy.unrouted = unrouted;
    }
    if let Some(value) = route.get("codes") {
        policy.codes = value.table("{ RATE_LIMITED = \"retryable\" }", codes).unwrap_or_default();
    }
    policy
}

fn retry(table: &Table<'_>, policy: &mut Policy) {
    let default = Retry::default();
    let wait = |key, most| table.get(key).and_then(|value: Value<'_>| value.duration(Duration::ZERO..=most));
    let initial_delay = wait("initial_delay", HOURS_12);
    let max_delay = wait("max_delay", HOURS_12);
    if let (Some(initial), Some(longest), Some(value)) = (initial_delay, max_delay, table.get("initial_delay"))
        && initial > longest
    {
        let (initial, longest) = (show_duration(initial), show_duration(longest));
        let what = format!("initial_delay = {initial} is longer than max_delay = {longest}");
        value.problem(what, "lower initial_delay, or raise max_delay");
    }
    policy.retry = Retry {
        max_attempts: table
            .get("max_attempts")
            .and_then(|value| value.integer(1..=1000))
            .unwrap_or(default.max_attempts),
        initial_delay: initial_delay.unwrap_or(default.initial_delay),
        max_delay: max_delay.unwrap_or(default.max_delay),
        multiplier: table.get("multiplier").and_then(|value| value.float(1.0..=100.0)).unwrap_or(default.multiplier),
        jitter: table.get("jitter").and_then(|value| value.float(0.0..=1.0)).unwrap_or(default.jitter),
        max_age: wait("max_age", DAYS_30).unwrap_or(default.max_age),
    };
    let same_fault = table.get("max_same_fault").and_then(|value| value.integer(1..=1000));
    policy.max_same_fault = same_fault.unwrap_or(policy.max_same_fault);
}

fn codes(table: &Table<'_>) -> BTreeMap<Code, Moved> {
    let mut codes = BTreeMap::new();
    for (name, value) in table.entries() {
        let code = Code::of_handler(name);
        if code.as_str() != name {
            value.refuse(
                format!("invalid code {name:?}"),
                "expected 1 to 64 of A-Z, 0-9 and _, for example RATE_LIMITED",
            );
        }
        let words = [("retryable", Moved::Retryable), ("permanent", Moved::Permanent)];
        if let Some(moved) = value.choice(&words) {
            codes.insert(code, moved);
        }
    }
    codes
}
