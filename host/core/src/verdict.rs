//! What to do about what happened: one pure function, one table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::outcome::{Class, Code, Failure};
use crate::retry::Retry;

/// What a route says about failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// When and how often to try again.
    pub retry: Retry,
    /// The same fault this often in a row is permanent; at least 1.
    pub same_fault_limit: u32,
    /// What to do with a message that the route does not take.
    pub unrouted: Unrouted,
    /// Codes that this route moves to another class, whoever says them.
    pub codes: BTreeMap<Code, Moved>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { retry: Retry::default(), same_fault_limit: 2, unrouted: Unrouted::default(), codes: BTreeMap::new() }
    }
}

/// What to do with a message that no route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unrouted {
    /// Store it as an error.
    #[default]
    DeadLetter,
    /// Acknowledge and count it.
    Ignore,
    /// Stop the route: somebody must look.
    Stop,
}

/// Where a route can move a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Try it again, within the policy.
    Retryable,
    /// Never again.
    Permanent,
}

/// What is known of the delivery when it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Number of the attempt that just ended, from 1.
    pub attempt: u32,
    /// How often in a row the same fault has ended it, this time included.
    pub same_fault: u32,
    /// Since the message was first received.
    pub age: Duration,
    /// A random number from 0 to 1, for the jitter.
    pub chance: f64,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Try again after this wait, in order.
    Retry(Duration),
    /// Try again after this wait; no attempt was counted.
    Defer(Duration),
    /// Store it as an error, then acknowledge.
    DeadLetter(Reason),
    /// Acknowledge it and count it.
    Ignore,
    /// Do not acknowledge, back off, pause intake.
    Hold,
    /// Somebody else owns it now.
    Forget,
    /// Stop the route.
    Stop,
}

/// Why it is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It would fail again whatever happens.
    Permanent,
    /// The attempts are used up.
    AttemptsExhausted,
    /// The same fault came too often in a row.
    SameFault,
    /// It was deferred for too long.
    TooOld,
    /// The route handles every message once at most.
    OnlyOnce,
    /// The host stops, and the queue would move the message away when it is received again.
    LastReceive,
}

impl Reason {
    /// Of `most` attempts, how many were not made, where that is of interest after number `attempt`.
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
            Self::AttemptsExhausted => "all attempts are used up",
            Self::SameFault => "the same fault came again",
            Self::TooOld => "it was deferred for longer than max_age",
            Self::OnlyOnce => "the route delivers at most once",
            Self::LastReceive => "the host stops, and the queue's maxReceiveCount leaves it no other receive",
        })
    }
}

/// The verdict on a failed attempt.
///
/// | class | verdict |
/// |---|---|
/// | `retryable`, `timed_out` | wait, again; attempts used up: dead letter |
/// | `trapped`, `out_of_memory`, `contract_broken` | the same, and the same fault k times in a row is permanent |
/// | `permanent`, `malformed` | dead letter |
/// | `deferred` | wait as asked, no attempt counted, until `max_age` |
/// | `unrouted` | as configured |
/// | `host_fault` | hold |
/// | `revoked` | forget |
pub fn judge(failure: &Failure, standing: Standing, policy: &Policy) -> Verdict {
    let retry = &policy.retry;
    let again = || {
        if standing.attempt >= retry.max_attempts {
            return Verdict::DeadLetter(Reason::AttemptsExhausted);
        }
        Verdict::Retry(retry.delay(standing.attempt, failure.retry_after, standing.chance))
    };
    match (failure.class, policy.codes.get(&failure.code)) {
        (Class::HostFault, _) => Verdict::Hold,
        (Class::Revoked, _) => Verdict::Forget,
        (_, Some(Moved::Retryable)) | (Class::Retryable | Class::TimedOut, None) => again(),
        (_, Some(Moved::Permanent)) => Verdict::DeadLetter(Reason::Permanent),
        (Class::Trapped | Class::OutOfMemory | Class::ContractBroken, None) => {
            if standing.same_fault >= policy.same_fault_limit {
                return Verdict::DeadLetter(Reason::SameFault);
            }
            again()
        }
        (Class::Deferred, None) => {
            let wait = failure.retry_after.unwrap_or(retry.initial_delay);
            if standing.age.saturating_add(wait) > retry.max_age {
                return Verdict::DeadLetter(Reason::TooOld);
            }
            Verdict::Defer(wait)
        }
        (Class::Unrouted, None) => match policy.unrouted {
            Unrouted::DeadLetter => Verdict::DeadLetter(Reason::Permanent),
            Unrouted::Ignore => Verdict::Ignore,
            Unrouted::Stop => Verdict::Stop,
        },
        // `Done` is no failure; were one built wrongly, storing it loses nothing.
        (Class::Permanent | Class::Malformed | Class::Done, None) => Verdict::DeadLetter(Reason::Permanent),
    }
}

#[cfg(test)]
mod tests;
