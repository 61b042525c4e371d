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
    /// That try is made.
    Last,
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
        self.drop_standing(|_| true, Fate::Released);
        let unstarted = self.chosen(self.hands_back());
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
        for id in self.chosen(|_| true) {
            self.withdraw(id);
            self.finish(id, Fate::Abandoned);
        }
    }

    /// What has not started goes back; but what is acknowledged already has nowhere to go back to.
    pub(super) fn hands_back(&self) -> fn(State) -> bool {
        if self.route.is_at_most_once() { |_| false } else { State::has_not_started }
    }

    /// Ends the drain once nothing is in flight and the broker has what is settled.
    pub(super) fn end_drain(&mut self) {
        if matches!(self.draining, Draining::No | Draining::Over) || self.live > 0 || self.commits.are_unanswered() {
            return;
        }
        if self.draining == Draining::Late {
            self.draining = Draining::Last;
            self.commits.forgive();
        }
        if !self.commits.were_refused() {
            self.commit();
        }
        let refused = self.commits.were_refused() && self.partitions.news && self.draining == Draining::Finishing;
        let waits = self.commits.are_unanswered() || refused;
        if !waits {
            self.draining = Draining::Over;
            self.actions.push_back(Action::Drained);
        }
    }

    /// Live deliveries in such a state, in the order in which they were received.
    pub(super) fn chosen(&self, which: impl Fn(State) -> bool) -> Vec<DeliveryId> {
        let live = self.deliveries.iter().filter(|(_, delivery)| delivery.is_live() && which(delivery.state));
        let mut chosen: Vec<_> = live.map(|(id, delivery)| (delivery.number, id)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, id)| id).collect()
    }
}
