//! Drains a route: intake stops, deliveries that have not started are handed back, running attempts may finish, then one
//! last commit follows. Running attempts and broker answers each have a limit, so a drain always ends.

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
    /// Running attempts may finish.
    Finishing,
    /// The limit for attempts is over: one more commit is tried.
    Late,
    /// The last commit was sent.
    Last,
    /// The limit for answers is over, too.
    Overdue,
    Over,
    /// The drain has ended, and a broker has not answered the last commit.
    CutShort,
}

impl Draining {
    pub(super) fn is_draining(self) -> bool {
        self != Self::No
    }

    /// Whether no more actions are requested.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Overdue | Self::Over | Self::CutShort)
    }
}

impl Machine {
    /// Whether the drain ended by its limit while the last commit was unanswered. The messages that it covers may be
    /// delivered again.
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

    /// Hands back messages that arrive in a drain. Returns those that stay.
    pub(super) fn turn_away(&mut self, received: Vec<DeliveryId>, now: Time) -> Vec<DeliveryId> {
        // Either no time is left for a message, or it would overtake one of its key that goes back when this host stops.
        let is_late = now >= self.drain_until;
        let (late, received): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|id| is_late || self.is_behind_abandoned(*id));
        self.give_back(&late, Duration::ZERO);
        let kept = self.hand_back_what_may(received, now);
        if !kept.is_empty() && self.draining == Draining::Over {
            self.draining = Draining::Finishing;
        }
        kept
    }

    /// Whether this drain has abandoned a message of the same lane.
    fn is_behind_abandoned(&self, id: DeliveryId) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::AbandonedIsOvertaken) {
            return false;
        }
        let lane = self.deliveries[id].lane.filter(|_| !self.abandoned.is_empty());
        lane.and_then(|lane| self.lanes.hash_of(lane)).is_some_and(|lane| self.abandoned.contains(&lane))
    }

    /// Hands back messages that are not to be handled, with all that wait behind them. The queue would move a message at its
    /// last receive at once, so that one is kept until its lease ends, or until the host's connection ends at its stop.
    /// Without leases, later messages of its lane that arrive meanwhile go back, too.
    pub(super) fn give_back(&mut self, messages: &[DeliveryId], delay: Duration) {
        let mut withdrawn = Vec::new();
        for id in messages {
            if withdrawn.contains(id) {
                continue;
            }
            let lane = self.deliveries[*id].lane.and_then(|lane| self.lanes.hash_of(lane));
            let with_those_behind = self.withdraw(*id);
            // A queue with leases keeps the order itself: it delivers nothing of the lane before the lease has ended.
            let abandons =
                self.route.source.lease.is_none() && with_those_behind.iter().any(|id| self.is_last_receive(*id));
            self.abandoned.extend(lane.filter(|_| abandons));
            withdrawn.extend(with_those_behind);
        }
        let (last, others): (Vec<_>, Vec<_>) = withdrawn.into_iter().partition(|id| self.is_last_receive(*id));
        for id in last {
            self.finish(id, Fate::Abandoned);
        }
        self.hand_back_all(&others, delay);
    }

    /// Hands back these deliveries, which have not started, in the order of their receipt. Returns those that stay: messages
    /// at their last receive, because the queue would move them away, and the messages that they wait behind. They are
    /// handled within the limit of the drain; a message that has failed before is stored as a dead letter, with its reason.
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
            // A held delivery waits for something other than its handler.
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

    /// Stops waiting for broker answers. If the last commit was stored, the next reader of the group's offsets will see it.
    pub(super) fn flush_limit(&mut self) {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::StopWaitsForAnswers) {
            return;
        }
        if self.draining.is_draining() && !self.draining.is_over() {
            self.draining = Draining::Overdue;
        }
    }

    /// The states in which a delivery is handed back: it has not started. A message that is already acknowledged cannot be
    /// handed back.
    pub(super) fn hands_back(&self) -> fn(State) -> bool {
        if self.route.is_at_most_once() { |_| false } else { State::has_not_started }
    }

    /// Ends the drain when nothing is in flight and the broker has committed all settled records.
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

    /// Live deliveries in the selected states, in the order of their receipt.
    pub(super) fn chosen(&self, which: impl Fn(State) -> bool) -> Vec<DeliveryId> {
        let live = self.deliveries.iter().filter(|(_, delivery)| delivery.is_live() && which(delivery.state));
        let mut chosen: Vec<_> = live.map(|(id, delivery)| (delivery.number, id)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(|(_, id)| id).collect()
    }
}
