//! The configuration of a route's circuit breaker. `machine/breaker.rs` has the rules.

use std::time::Duration;

/// The rules for opening a route's circuit and for probing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Messages whose first attempts failed, with few that ended well, open the circuit; 0: never. Failures that are
    /// permanent, and messages that the handler never saw, say nothing about its dependencies and do not count.
    pub failures: u32,
    /// Messages that became dead letters at their first attempt, with few that ended well, open it too; 0: never.
    pub dead_letters: u32,
    /// The time window; earlier messages do not count.
    pub window: Duration,
    /// Longest wait before a round of probes; the first wait is a second, or this where it is shorter.
    pub probe_after: Duration,
    /// Messages that one round may try; at least 1.
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
