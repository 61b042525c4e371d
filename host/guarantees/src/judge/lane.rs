//! What keeps its order with what.

use std::collections::BTreeSet;

use super::record::Number;

/// The records of one lane.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Records that those behind them have to wait for.
    pub(super) ahead: BTreeSet<Number>,
    /// Attempts that have not ended.
    running: Vec<Running>,
    /// The last record that was begun by right, or begun again.
    pub(super) last: Number,
    /// The output that was found last for the first time: record and index.
    found: Option<(Number, u32)>,
    /// The record whose dead letter was found last for the first time.
    stored: Option<Number>,
}

/// An attempt that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) record: Number,
    pub(super) host: u32,
    pub(super) attempt: u32,
    /// Its host has lost the right to it, or it is a repeat that nobody waits for.
    pub(super) stale: bool,
}

impl Lane {
    /// An attempt that must not run beside one of this host. Attempts of others that have lost their right cannot be
    /// prevented; within one host they can. With `alone` it is about this host only.
    pub(super) fn conflict(&self, host: u32, alone: bool) -> Option<Running> {
        let hinders = |other: &&Running| other.host == host || (!other.stale && !alone);
        self.running.iter().find(hinders).copied()
    }

    /// Whether this output stands where it should: the first copies of a lane's outputs in the order of their records.
    pub(super) fn find(&mut self, output: (Number, u32)) -> bool {
        let in_order = self.found.is_none_or(|before| before < output);
        self.found = self.found.max(Some(output));
        in_order
    }

    /// Whether this dead letter stands where it should: the first copies in the order of their records.
    pub(super) fn find_dead_letter(&mut self, of: Number) -> bool {
        let in_order = self.stored.is_none_or(|before| before < of);
        self.stored = self.stored.max(Some(of));
        in_order
    }

    pub(super) fn start(&mut self, running: Running) {
        self.running.push(running);
    }

    /// The attempt has ended. Of two on the same record the older one is stale.
    pub(super) fn end(&mut self, host: u32, record: Number, attempt: u32, discarded: bool) {
        let is = |other: &Running| {
            (other.host, other.record, other.attempt) == (host, record, attempt) && (other.stale || !discarded)
        };
        let mut places = self.running.iter();
        if let Some(place) = if discarded { places.position(is) } else { places.rposition(is) } {
            self.running.remove(place);
        }
    }

    /// The host has lost its right to the record.
    pub(super) fn disown(&mut self, host: u32, record: Number) {
        for running in self.running.iter_mut().filter(|running| (running.host, running.record) == (host, record)) {
            running.stale = true;
        }
    }

    /// The host has its right to the record again.
    pub(super) fn own(&mut self, host: u32, record: Number) {
        for running in self.running.iter_mut().filter(|running| (running.host, running.record) == (host, record)) {
            running.stale = false;
        }
    }

    /// The host is no more.
    pub(super) fn bury(&mut self, host: u32) {
        self.running.retain(|running| running.host != host);
    }
}
