//! Stopping: nothing new, what has not started goes back, what runs may finish, then one last commit. Each of the two
//! has a limit of its own, so a stop ends whatever is away.

use std::collections::HashSet;
use std::time::Duration;

use super::Machine;
use super::delivery::State;
use super::timers::Timer;
use crate::action::{Action, Fate};
use crate::ids::DeliveryId;
use crate::time::Time;
use crate::verdict::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draining {
    No,
    /// What runs may finish.
    Finishing,
    /// The limit is over: one more try to commit.
    Late,
    /// That try is made.
    Last,
    /// The limit for answers is over too.
    Overdue,
    Over,
    /// Over, and a broker has not answered the last commit.
    CutShort,
}

impl Draining {
    pub(super) fn is_draining(self) -> bool {
        self != Self::No
    }

    /// Whether nothing more is asked for.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Overdue | Self::Over | Self::CutShort)
    }
}

impl Machine {
    /// Whether a drain has ended by its limit, while a broker still had a commit: what it covers may come again.
    pub fn was_cut_short(&self) -> bool {
        self.draining == Draining::CutShort
    }

    pub(super) fn drain(&mut self, finish: Duration, flush: Duration, now: Time) {
        if self.draining.is_draining() {
            return;
        }
        self.draining = Draining::Finishing;
        let until = now.after(finish);
        self.timers.set(until, Timer::Drain);
        self.timers.set(until.after(flush), Timer::Flush);
        self.drain_until = until;
        self.drop_standing(|_| true, Fate::Released);
        let unstarted = self.chosen(self.hands_back());
        self.hand_back_what_may(unstarted, now);
        self.commit();
    }

    /// What arrives in a drain goes back. Returns what stays.
    pub(super) fn turn_away(&mut self, received: Vec<DeliveryId>, now: Time) -> Vec<DeliveryId> {
        if now >= self.drain_until {
            // For these there is no time left, and their leases end by themselves.
            let (late, others) = received.into_iter().partition(|id| self.is_last_receive(*id));
            self.hand_back_what_may(others, now);
            for id in late {
                self.withdraw(id);
                self.finish(id, Fate::Abandoned);
            }
            return Vec::new();
        }
        let kept = self.hand_back_what_may(received, now);
        if !kept.is_empty() && self.draining == Draining::Over {
            self.draining = Draining::Finishing;
        }
        kept
    }

    /// Hands these back, which have not started, in the order in which they were received. Returns what stays: what is
    /// received for the last time, for its queue would move it away, and what it waits behind. It is handled within the
    /// limit of the drain; what has failed before is stored as an error, with its reason.
    fn hand_back_what_may(&mut self, unstarted: Vec<DeliveryId>, now: Time) -> Vec<DeliveryId> {
        let mut lanes = HashSet::new();
        let (mut kept, mut released) = (Vec::new(), Vec::new());
        for id in unstarted.into_iter().rev() {
            let lane = self.deliveries[id].lane;
            if self.is_last_receive(id) || lane.is_some_and(|lane| lanes.contains(&lane)) {
                lanes.extend(lane);
                kept.push(id);
            } else {
                released.push(id);
            }
        }
        released.reverse();
        kept.reverse();
        for id in &released {
            self.withdraw(*id);
        }
        self.hand_back_all(&released, Duration::ZERO);
        for id in &kept {
            let delivery = &self.deliveries[*id];
            // What is held waits for something else than its handler.
            let failed = delivery.state == State::Parked && !delivery.held;
            if failed && self.is_last_receive(*id) {
                self.deliveries[*id].count_back();
                self.store(*id, Reason::LastReceive, now);
            }
        }
        kept
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

    /// A broker that has not answered by now is not waited for. What it has of the last commit, whoever reads the group's
    /// offsets next will see.
    pub(super) fn flush_limit(&mut self) {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::StopWaitsForAnswers) {
            return;
        }
        if self.draining.is_draining() && !self.draining.is_over() {
            self.draining = Draining::Overdue;
        }
    }

    /// What has not started goes back; but what is acknowledged already has nowhere to go back to.
    pub(super) fn hands_back(&self) -> fn(State) -> bool {
        if self.route.is_at_most_once() { |_| false } else { State::has_not_started }
    }

    /// Ends the drain once nothing is in flight and the broker has what is settled.
    pub(super) fn end_drain(&mut self) {
        let overdue = self.draining == Draining::Overdue;
        let waits = self.live > 0 || self.commits.are_unanswered();
        if matches!(self.draining, Draining::No | Draining::Over | Draining::CutShort) || waits && !overdue {
            return;
        }
        if self.draining == Draining::Late {
            self.draining = Draining::Last;
            self.commits.forgive();
        }
        if !overdue && !self.commits.were_refused() {
            self.commit();
        }
        let refused = self.commits.were_refused() && self.partitions.news && self.draining == Draining::Finishing;
        let waits = self.commits.are_unanswered() || refused;
        if !waits || overdue {
            self.draining = if overdue { Draining::CutShort } else { Draining::Over };
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
