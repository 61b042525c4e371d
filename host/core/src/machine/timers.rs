//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::partition::PartitionKey;
use crate::ids::DeliveryId;
use crate::time::Time;

/// Something that becomes due. One that no longer applies is found out when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Again(DeliveryId),
    Publish(DeliveryId),
    Overdue,
    Delete(DeliveryId),
    Record(DeliveryId),
    Lease(DeliveryId),
    Commit,
    Probe,
    Stuck,
    GiveUp(PartitionKey),
    Drain,
    Flush,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u64, Timer)>>,
    /// Breaks ties in the order of setting.
    count: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, timer: Timer) {
        self.count += 1;
        self.heap.push(Reverse((at, self.count, timer)));
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(super) fn pop(&mut self, now: Time) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((_, _, timer))| timer)
    }
}
