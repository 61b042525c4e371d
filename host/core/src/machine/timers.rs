//! The timers of the machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::key::PartitionKey;
use crate::ids::DeliveryId;
use crate::time::Time;

/// The purpose of a timer. When a timer fires, the machine checks whether it still applies.
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
    /// Breaks ties: timers with equal times fire in the order in which they were set.
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
