//! Counters of received messages and of their fates.

use serde::Serialize;

use crate::action::Fate;

/// Counts since the start. Each receipt ends exactly once: when nothing is in flight, `received` is the sum of the seven
/// fates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Account {
    /// Receipts. A message that is delivered again counts again.
    pub received: u64,
    /// Handled, with durable outputs, and acknowledged.
    pub done: u64,
    /// Stored as a dead letter, and acknowledged.
    pub dead_lettered: u64,
    /// Not accepted by the route, and ignored as configured.
    pub ignored: u64,
    /// Suppressed as duplicates.
    pub duplicates: u64,
    /// Handed back to the broker, to be received again.
    pub released: u64,
    /// Lost with a partition or a lease.
    pub revoked: u64,
    /// Unfinished at the end of a drain.
    pub abandoned: u64,
    /// Failed attempts that are retried.
    pub retried: u64,
    /// Attempts that the handler deferred.
    pub deferred: u64,
    /// Durable outputs, without dead letters and error events.
    pub outputs: u64,
}

impl Account {
    pub(super) fn end(&mut self, fate: Fate) {
        *match fate {
            Fate::Done => &mut self.done,
            Fate::DeadLettered => &mut self.dead_lettered,
            Fate::Ignored => &mut self.ignored,
            Fate::Duplicate => &mut self.duplicates,
            Fate::Released => &mut self.released,
            Fate::Revoked => &mut self.revoked,
            Fate::Abandoned => &mut self.abandoned,
        } += 1;
    }

    /// Receipts that have ended.
    pub fn ended(&self) -> u64 {
        self.done + self.dead_lettered + self.ignored + self.duplicates + self.released + self.revoked + self.abandoned
    }
}

/// Adds the counters of another route.
impl std::ops::AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.done += other.done;
        self.dead_lettered += other.dead_lettered;
        self.ignored += other.ignored;
        self.duplicates += other.duplicates;
        self.released += other.released;
        self.revoked += other.revoked;
        self.abandoned += other.abandoned;
        self.retried += other.retried;
        self.deferred += other.deferred;
        self.outputs += other.outputs;
    }
}
