//! Dead letters that their destination will never take.
//!
//! That is the fault of one record, and no outage: the record stays where it is, with its key, and everything else goes on
//! within the route's bounds. Its letter is offered again now and then, because people change what a topic takes.

use std::time::Duration;

use super::Machine;
use super::delivery::{Delivery, State};
use super::timers::Timer;
use crate::action::{Action, Fate, Next};
use crate::dead_letter;
use crate::ids::DeliveryId;
use crate::outcome::Code;
use crate::retry::Retry;
use crate::source::Acknowledgement;
use crate::time::Time;

/// How long a letter that was refused for good waits for its next try.
const AGAIN: Retry = Retry {
    max_attempts: u32::MAX,
    initial_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(60),
    multiplier: 2.0,
    jitter: 0.2,
    max_age: Duration::MAX,
};

impl Machine {
    /// Deliveries whose dead letter no destination takes.
    pub fn refused(&self) -> usize {
        self.refused as usize
    }

    /// A dead letter was refused for good as it is. Returns whether there is another form of it to try.
    pub(super) fn change_letter(&mut self, id: DeliveryId, code: &Code) -> bool {
        let delivery = &mut self.deliveries[id];
        let record = std::sync::Arc::clone(&delivery.record);
        let Some(letter) = delivery.publications.first_mut() else { return false };
        let before = letter.clone();
        if !dead_letter::lighten(letter, &record, code) {
            return false;
        }
        delivery.keep_letter(before);
        true
    }

    /// The dead letter was refused in every form: the delivery waits, with its key.
    pub(super) fn stand(&mut self, id: DeliveryId, now: Time) {
        let holds = self.deliveries[id].holds;
        self.let_go(id);
        let delivery = &mut self.deliveries[id];
        let (State::Publishing(fate) | State::Prepared(fate)) = delivery.state else { return };
        if let (State::Prepared(_), Some((key, offset))) = (delivery.state, delivery.offset()) {
            self.partitions.unprepare(key, offset);
        }
        delivery.state = State::Standing(fate);
        delivery.holds = holds.saturating_add(1);
        delivery.stands = true;
        self.refused += 1;
        let wait = AGAIN.delay(delivery.holds, None, self.chance.f64());
        self.actions.push_back(Action::Troubled { delivery: id, next: Next::Refused(wait) });
        self.hold_nobody_behind(id);
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedIsOvertaken) {
            self.step_aside(id);
        }
        let draining = self.draining.is_draining();
        match self.route.source.acknowledgement {
            // It has nowhere to go back to.
            _ if self.route.is_at_most_once() => self.timers.set(now.after(wait), Timer::Publish(id)),
            Acknowledgement::Each if draining => self.give_back_standing(id, wait),
            Acknowledgement::Cumulative if self.is_leaving(id) => self.drop_lane(id, Fate::Revoked),
            Acknowledgement::Cumulative if draining => self.drop_lane(id, Fate::Released),
            _ => self.timers.set(now.after(wait), Timer::Publish(id)),
        }
    }

    /// What waits to be sent behind a dead letter that nobody takes waits for its key, and no longer for an outage.
    fn hold_nobody_behind(&mut self, id: DeliveryId) {
        let Some(lane) = self.deliveries[id].lane else { return };
        for behind in self.lanes.in_order(lane) {
            if behind != id && self.deliveries[behind].waits_to_publish() {
                self.let_go(behind);
            }
        }
    }

    /// Whether a dead letter that nobody takes is ahead of this delivery in its lane.
    pub(super) fn is_behind_refused(&self, id: DeliveryId) -> bool {
        let lane = self.deliveries[id].lane.filter(|lane| self.refused > 0 && self.lanes.is_behind(*lane, id));
        let first = lane.and_then(|lane| self.lanes.in_order(lane).first().copied());
        first.is_some_and(|first| self.deliveries[first].stands)
    }

    /// What it must not do.
    pub(super) fn holds_for_refused(&self) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedHoldsRoute) {
            return true;
        }
        false
    }

    /// Gives back those whose letter is refused, with all that waits behind them: nobody waits for a letter in a drain or a
    /// rebalance.
    pub(super) fn drop_standing(&mut self, which: impl Fn(&Delivery) -> bool, fate: Fate) {
        // It has nowhere to go back to.
        if self.refused == 0 || self.route.is_at_most_once() {
            return;
        }
        for id in self.chosen(|state| matches!(state, State::Standing(_))) {
            let delivery = &self.deliveries[id];
            if !delivery.is_live() || !which(delivery) {
                continue;
            }
            match self.route.source.acknowledgement {
                Acknowledgement::Each => self.give_back_standing(id, Duration::ZERO),
                Acknowledgement::Cumulative => self.drop_lane(id, fate),
            }
        }
    }

    /// Hands a message back whose letter is refused, with all that waits behind it. What was received for the last time would
    /// be moved by its queue at once: its lease ends by itself instead, or the host's connection when it stops.
    fn give_back_standing(&mut self, id: DeliveryId, delay: Duration) {
        let (last, others): (Vec<_>, Vec<_>) = self.withdraw(id).into_iter().partition(|id| self.is_last_receive(*id));
        for id in last {
            self.finish(id, Fate::Abandoned);
        }
        self.hand_back_all(&others, delay);
    }

    /// The letter is offered again, first in its full form.
    pub(super) fn offer_again(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        let State::Standing(fate) = delivery.state else { return };
        delivery.restore_letter();
        if !self.route.is_exactly_once() {
            delivery.state = State::Publishing(fate);
            return;
        }
        delivery.state = State::Prepared(fate);
        if let Some((key, offset)) = delivery.offset() {
            self.partitions.prepare(key, offset, id);
        }
        self.commit_soon(now);
    }
}
