//! Handles dead letters that their destination rejects for good.
//!
//! The cause is one record, not an outage: the record and its key wait, and everything else continues within the route's
//! bounds. The dead letter is sent again from time to time, because the configuration of the topic may change.

use std::time::Duration;

use super::Machine;
use super::delivery::{Delivery, State};
use super::timers::Timer;
use crate::action::{Action, Fate, Next};
use crate::dead_letter::{self, PROFILE};
use crate::ids::DeliveryId;
use crate::outcome::Code;
use crate::retry::Retry;
use crate::source::Acknowledgement;
use crate::time::Time;

/// Backoff of a dead letter that was rejected for good.
const AGAIN: Retry = Retry {
    max_attempts: u32::MAX,
    initial_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(60),
    multiplier: 2.0,
    jitter: 0.2,
    max_age: Duration::MAX,
};

impl Machine {
    /// Number of deliveries whose dead letter is rejected by its destination.
    pub fn refused(&self) -> usize {
        self.refused as usize
    }

    /// Changes the form of a rejected dead letter. Returns whether there is another form to try.
    pub(super) fn change_letter(&mut self, id: DeliveryId, code: &Code) -> bool {
        let delivery = &mut self.deliveries[id];
        let record = std::sync::Arc::clone(&delivery.record);
        let Some(letter) = delivery.publications.first_mut() else { return false };
        let before = letter.clone();
        if !dead_letter::lighten(PROFILE, letter, &record, code) {
            return false;
        }
        delivery.keep_letter(before);
        true
    }

    /// Makes a delivery wait, with its key, after its dead letter was rejected in every form.
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
        self.halt_behind(id, true);
        self.actions.push_back(Action::Troubled { delivery: id, next: Next::Refused(wait) });
        self.hold_nobody_behind(id);
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedIsOvertaken) {
            self.step_aside(id);
        }
        let draining = self.draining.is_draining();
        match self.route.source.acknowledgement {
            // The record cannot be handed back.
            _ if self.route.is_at_most_once() => self.timers.set(now.after(wait), Timer::Publish(id)),
            Acknowledgement::Each if draining => self.give_back(&[id], wait),
            Acknowledgement::Cumulative if self.is_leaving(id) => self.drop_lane(id, Fate::Revoked),
            Acknowledgement::Cumulative if draining => self.drop_lane(id, Fate::Released),
            _ => self.timers.set(now.after(wait), Timer::Publish(id)),
        }
    }

    /// Ends the hold of deliveries that wait to publish behind a rejected dead letter: they wait for their key, not for an
    /// outage.
    fn hold_nobody_behind(&mut self, id: DeliveryId) {
        let Some(lane) = self.deliveries[id].lane else { return };
        for behind in self.lanes.in_order(lane) {
            if behind != id && self.deliveries[behind].waits_to_publish() {
                self.let_go(behind);
            }
        }
    }

    /// Sets whether those behind the delivery wait for longer than for its turn, so that they are no reserve of the host.
    fn halt_behind(&mut self, id: DeliveryId, halted: bool) {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedFillsReserve) {
            return;
        }
        if let Some(lane) = self.deliveries[id].lane.filter(|lane| self.lanes.head(*lane) == Some(id)) {
            self.lanes.halt(lane, halted);
        }
    }

    /// Whether a rejected dead letter is ahead of this delivery in its lane.
    pub(super) fn is_behind_refused(&self, id: DeliveryId) -> bool {
        let lane = self.deliveries[id].lane.filter(|lane| self.refused > 0 && self.lanes.is_behind(*lane, id));
        let first = lane.and_then(|lane| self.lanes.in_order(lane).first().copied());
        first.is_some_and(|first| self.deliveries[first].stands)
    }

    /// Sabotage: whether a rejected dead letter holds the route. It must not.
    pub(super) fn holds_for_refused(&self) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedHoldsRoute) {
            return true;
        }
        false
    }

    /// Hands back deliveries with a rejected dead letter, with all that wait behind them: a drain or a rebalance does not
    /// wait for these dead letters.
    pub(super) fn drop_standing(&mut self, which: impl Fn(&Delivery) -> bool, fate: Fate) {
        // With delivery at most once, records cannot be handed back.
        if self.refused == 0 || self.route.is_at_most_once() {
            return;
        }
        for id in self.chosen(|state| matches!(state, State::Standing(_))) {
            let delivery = &self.deliveries[id];
            if !delivery.is_live() || !which(delivery) {
                continue;
            }
            match self.route.source.acknowledgement {
                Acknowledgement::Each => self.give_back(&[id], Duration::ZERO),
                Acknowledgement::Cumulative => self.drop_lane(id, fate),
            }
        }
    }

    /// Sends the dead letter again, first in its full form.
    pub(super) fn offer_again(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        let State::Standing(fate) = delivery.state else { return };
        delivery.restore_letter();
        if !self.route.is_exactly_once() {
            delivery.state = State::Publishing(fate);
            self.halt_behind(id, false);
            return;
        }
        delivery.state = State::Prepared(fate);
        if let Some((key, offset)) = delivery.offset() {
            self.partitions.prepare(key, offset, id);
        }
        self.commit_soon(now);
    }
}
