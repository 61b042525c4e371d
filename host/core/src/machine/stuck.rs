//! Reports a partition that receives no more because of waiting records.
//!
//! Back-pressure is normal: a bound is reached, an attempt ends, and intake continues. A partition is stuck if it receives
//! no more, or no new attempt of it starts, and its commit point has not moved for a while.

use std::time::Duration;

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Blocked};
use crate::time::Time;

/// Interval between two checks.
const LOOK: Duration = Duration::from_secs(5);

/// Time without movement of the commit point after which a partition is stuck.
const LONG: Duration = Duration::from_secs(10);

/// Since when the commit point of a partition that receives no more has not moved.
#[derive(Debug)]
pub(super) struct Stuck {
    since: Time,
    offset: i64,
    pub(super) told: bool,
}

impl Machine {
    /// Schedules a check of a bound that was reached, whether it is still reached then.
    pub(super) fn look_for_stuck(&mut self) {
        if !self.looks_for_stuck {
            self.looks_for_stuck = true;
            self.timers.set(self.now.after(LOOK), Timer::Stuck);
        }
    }

    pub(super) fn look_at_stuck(&mut self, now: Time) {
        self.looks_for_stuck = false;
        // An outage, an unavailable destination and a pause are reported separately.
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
