//! What came and what became of it.

use serde::Serialize;

use crate::action::Fate;

/// Counts since the start. Each receipt ends once: when nothing is in flight, `received` is the sum of the seven
/// ways to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Account {
    /// Receipts; a message that comes back is a new one.
    pub received: u64,
    /// Handled, outputs durable, acknowledged.
    pub done: u64,
    /// Stored as an error, acknowledged.
    pub dead_lettered: u64,
    /// Taken by no route and ignored, as configured.
    pub ignored: u64,
    /// Suppressed as duplicates.
    pub duplicates: u64,
    /// Handed back, to be received again.
    pub released: u64,
    /// Lost to somebody else.
    pub revoked: u64,
    /// Unfinished at the end of a drain.
    pub abandoned: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Attempts that the handler put off.
    pub deferred: u64,
    /// Outputs made durable, dead letters and error events not among them.
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

    /// Receipts that have come to their end.
    pub fn ended(&self) -> u64 {
        self.done + self.dead_lettered + self.ignored + self.duplicates + self.released + self.revoked + self.abandoned
    }
}

/// The sum over several routes.
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
