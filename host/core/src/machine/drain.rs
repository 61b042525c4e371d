//! Stopping: nothing new, what has not started goes back, what runs may finish, then one last commit.

use std::time::Duration;

use super::Machine;
use super::delivery::State;
use super::timers::Timer;
use crate::action::{Action, Fate};
use crate::event::DeliveryId;
use crate::time::Time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draining {
    No,
    /// What runs may finish.
    Finishing,
    /// The limit is over: one more try to commit.
    Late,
    Over,
}

impl Draining {
    pub(super) fn is_draining(self) -> bool {
        self != Self::No
    }
}

impl Machine {
    pub(super) fn drain(&mut self, limit: Duration, now: Time) {
        if self.draining.is_draining() {
            return;
        }
        self.draining = Draining::Finishing;
        self.timers.set(now.after(limit), Timer::Drain);
        let unstarted = self.chosen(|state| matches!(state, State::Waiting | State::Parked));
        for id in &unstarted {
            self.withdraw(*id);
        }
        self.hand_back_all(&unstarted, Duration::ZERO);
        self.commit();
    }

    pub(super) fn drain_limit(&mut self) {
        if self.draining != Draining::Finishing {
            return;
        }
        self.draining = Draining::Late;
        self.partitions.refused = false;
        for id in self.chosen(|_| true) {
            self.withdraw(id);
            self.finish(id, Fate::Abandoned);
        }
    }

    /// Ends the drain once nothing is in flight and the broker has what is settled.
    pub(super) fn end_drain(&mut self) {
        if !matches!(self.draining, Draining::Finishing | Draining::Late)
            || self.live > 0
            || self.partitions.committing > 0
        {
            return;
        }
        if !self.partitions.refused {
            self.commit();
        }
        let refused = self.partitions.refused && self.draining == Draining::Finishing;
        let waits = self.partitions.committing > 0 || refused;
        if !waits {
            self.draining = Draining::Over;
            self.actions.push_back(Action::Drained);
        }
    }

    /// Live deliveries in such a state, in the order in which they were received.
    fn chosen(&self, which: impl Fn(State) -> bool) -> Vec<DeliveryId> {
        let live = self.deliveries.iter().filter(|(_, delivery)| delivery.is_live() && which(delivery.state));
        let mut chosen: Vec<_> = live.map(|(id, delivery)| (delivery.number, id)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, id)| id).collect()
    }
}
