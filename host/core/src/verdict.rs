//! Verdicts on failed attempts: one pure function, one table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::outcome::{Class, Code, Failure};
use crate::retry::Retry;

/// A route's rules for failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The retry policy.
    pub retry: Retry,
    /// The number of same faults in a row that is permanent; at least 1.
    pub max_same_fault: u32,
    /// The action for messages that the route does not accept.
    pub unrouted: Unrouted,
    /// Codes that this route moves to another class, from any origin.
    pub codes: BTreeMap<Code, Moved>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { retry: Retry::default(), max_same_fault: 2, unrouted: Unrouted::default(), codes: BTreeMap::new() }
    }
}

/// The action for a message that the route does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unrouted {
    /// Store it as a dead letter.
    #[default]
    DeadLetter,
    /// Acknowledge and count it.
    Ignore,
    /// Stop the route for inspection.
    Stop,
}

/// The classes to which a route can move a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Retry within the policy.
    Retryable,
    /// Never retry.
    Permanent,
}

/// The facts about a delivery that a verdict needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeliveryFacts {
    /// Number of the attempt that just ended, from 1.
    pub attempt: u32,
    /// The number of attempts in a row that ended in the same fault, this one included.
    pub same_fault: u32,
    /// The time since the message was first received.
    pub age: Duration,
    /// A random number from 0 to 1 for the jitter.
    pub chance: f64,
}

/// The next step of a delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Retry after this wait, in order.
    Retry(Duration),
    /// Retry after this wait, without counting the attempt.
    Defer(Duration),
    /// Store a dead letter, then acknowledge.
    DeadLetter(Reason),
    /// Acknowledge it and count it.
    Ignore,
    /// Hold: no acknowledgement, backoff, intake paused.
    Hold,
    /// Drop it: another host owns it now.
    Forget,
    /// Stop the route.
    Stop,
}

/// The reason why a message is not retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The failure is permanent.
    Permanent,
    /// No attempts are left.
    AttemptsExhausted,
    /// The same fault occurred too often in a row.
    SameFault,
    /// It was deferred for too long.
    TooOld,
    /// The route delivers at most once.
    OnlyOnce,
    /// The host is stopping, and the broker would move the message away at its next receive.
    LastReceive,
}

impl Reason {
    /// The number of attempts left after `attempt` of `most`, or `None` where it does not apply.
    pub fn attempts_left(self, attempt: u32, most: u32) -> Option<u32> {
        match self {
            Self::Permanent | Self::SameFault | Self::TooOld | Self::LastReceive => Some(most.saturating_sub(attempt)),
            Self::AttemptsExhausted | Self::OnlyOnce => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "the failure is permanent",
            Self::AttemptsExhausted => "no attempts left",
            Self::SameFault => "the same fault repeated",
            Self::TooOld => "deferred for longer than max_age",
            Self::OnlyOnce => "the route delivers at most once",
            Self::LastReceive => "the host is stopping, and the queue's maxReceiveCount allows no further receive",
        })
    }
}

/// The verdict on a failed attempt.
///
/// | class | verdict |
/// |---|---|
/// | `retryable`, `timed_out` | wait and retry; dead letter after the last attempt |
/// | `trapped`, `out_of_memory`, `contract_broken` | the same, and the same fault k times in a row is permanent |
/// | `permanent`, `malformed` | dead letter |
/// | `deferred` | wait as requested without counting the attempt, until `max_age` |
/// | `unrouted` | as configured |
/// | `host_fault` | hold |
/// | `revoked` | drop |
pub fn judge(failure: &Failure, facts: DeliveryFacts, policy: &Policy) -> Verdict {
    let retry = &policy.retry;
    let again = || {
        if facts.attempt >= retry.max_attempts {
            return Verdict::DeadLetter(Reason::AttemptsExhausted);
        }
        Verdict::Retry(retry.delay(facts.attempt, failure.retry_after, facts.chance))
    };
    match (failure.class, policy.codes.get(&failure.code)) {
        (Class::HostFault, _) => Verdict::Hold,
        (Class::Revoked, _) => Verdict::Forget,
        (_, Some(Moved::Retryable)) | (Class::Retryable | Class::TimedOut, None) => again(),
        (_, Some(Moved::Permanent)) => Verdict::DeadLetter(Reason::Permanent),
        (Class::Trapped | Class::OutOfMemory | Class::ContractBroken, None) => {
            if facts.same_fault >= policy.max_same_fault {
                return Verdict::DeadLetter(Reason::SameFault);
            }
            again()
        }
        (Class::Deferred, None) => {
            let wait = failure.retry_after.unwrap_or(retry.initial_delay);
            if facts.age.saturating_add(wait) > retry.max_age {
                return Verdict::DeadLetter(Reason::TooOld);
            }
            Verdict::Defer(wait)
        }
        (Class::Unrouted, None) => match policy.unrouted {
            Unrouted::DeadLetter => Verdict::DeadLetter(Reason::Permanent),
            Unrouted::Ignore => Verdict::Ignore,
            Unrouted::Stop => Verdict::Stop,
        },
        // `Done` is not a failure; storing a wrongly built one loses nothing.
        (Class::Permanent | Class::Malformed | Class::Done, None) => Verdict::DeadLetter(Reason::Permanent),
    }
}

#[cfg(test)]
mod tests;
