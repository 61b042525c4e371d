//! A partition that takes no more because of records that wait says so.
//!
//! Back-pressure is an everyday matter: bounds are reached, something ends, and intake goes on. A partition is stuck where
//! it takes no more, or nothing new of it starts, and its commit point has not moved for a while.

use std::time::Duration;

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Blocked, Bound};
use crate::time::Time;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// With its commit point at the same place for so long a partition is stuck.
const LONG: Duration = Duration::from_secs(10);

/// Since when the commit point of a partition that takes no more has been where it is.
#[derive(Debug)]
pub(super) struct Stuck {
    since: Time,
    offset: i64,
    pub(super) told: bool,
}

impl Machine {
    /// Something has reached a bound: in a while it is looked whether it has stayed there.
    pub(super) fn look_for_stuck(&mut self) {
        if !self.looks_for_stuck {
            self.looks_for_stuck = true;
            self.timers.set(self.now.after(LOOK), Timer::Stuck);
        }
    }

    pub(super) fn look_at_stuck(&mut self, now: Time) {
        self.looks_for_stuck = false;
        // An outage, a destination that is away and a pause are told for themselves.
        let elsewhere = self.held > 0 || !self.watch.is_closed() || self.is_paused();
        let full = self.intake.is_full();
        let mut any = false;
        for slot in self.partitions.slots.values_mut() {
            let reached = slot.reached(full).filter(|_| !slot.leaving);
            let place = slot.watermark.commit_point();
            let same = slot.stuck.as_ref().is_some_and(|stuck| reached.is_some() && Some(stuck.offset) == place);
            if !same && let Some(Stuck { told: true, .. }) = slot.stuck.take() {
                self.actions.push_back(Action::Unblocked(slot.partition.clone()));
            }
            let (Some(bound), Some(offset)) = (reached, place) else { continue };
            any = true;
            let stuck = slot.stuck.get_or_insert(Stuck { since: now, offset, told: false });
            if !stuck.told && !elsewhere && now.since(stuck.since) >= LONG {
                stuck.told = true;
                let (partition, since) = (slot.partition.clone(), stuck.since);
                self.actions.push_back(Action::Blocked(Blocked { partition, bound, behind: offset, since }));
            }
        }
        if any && !self.draining.is_draining() {
            self.look_for_stuck();
        }
    }
}

impl super::partition::Slot {
    /// The bound that keeps more of the partition from being taken in or started; `full` says that of all together.
    fn reached(&self, full: bool) -> Option<Bound> {
        if self.live == 0 {
            None
        } else if self.is_heavy() || !self.stalled.is_empty() {
            Some(Bound::Metadata)
        } else {
            (self.paused || full).then_some(Bound::InFlight)
        }
    }
}
