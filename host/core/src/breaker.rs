//! The configuration of a route's circuit breaker. `machine/breaker.rs` has the rules.

use std::time::Duration;

/// The rules for opening a route's circuit and for probing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Number of messages whose first attempts failed, while few succeeded, that opens the circuit; 0: never. Permanent
    /// failures, and messages that the handler never got, do not count, because they say nothing about the handler's
    /// dependencies.
    pub failures: u32,
    /// Number of messages that became dead letters at their first attempt, while few succeeded, that opens it too; 0: never.
    pub dead_letters: u32,
    /// The time window; earlier messages do not count.
    pub window: Duration,
    /// Longest wait before a round of probes. The first wait is one second, or this value if it is shorter.
    pub probe_after: Duration,
    /// Maximum number of messages that one round tries; at least 1.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 20,
            dead_letters: 50,
            window: Duration::from_secs(600),
            probe_after: Duration::from_secs(60),
            probes: 5,
        }
    }
}
