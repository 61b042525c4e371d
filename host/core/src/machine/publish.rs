//! Publishes before acknowledging: the outputs, or the dead letter and the error event.
//!
//! With cumulative acknowledgement, the next attempt of a key runs while earlier outputs of the key are not durable yet.
//! Readers still see the outputs of a key in order, on two conditions. A sink that refuses an output does not deliver later
//! ones that it already has for the same key and destination (`sink.rs` of the host says how each sink ensures this). And
//! the machine requests no publication of a lane, for the first time or again, before refused ones ahead of it are durable.

use super::Machine;
use super::delivery::{Delivery, State};
use super::timers::Timer;
use crate::action::{Action, Fate, Next};
use crate::event::Refusal;
use crate::ids::DeliveryId;
use crate::lanes::LaneId;
use crate::outcome::{Class, Code, Failure};
use crate::output::Publication;
use crate::time::Time;
use crate::verdict::Reason;

/// Index of the dead letter among the publications of a failure; the error event follows.
const DEAD_LETTER: u32 = 0;

impl Machine {
    /// Requests all publications; when the last is durable, the delivery is settled with `fate`.
    pub(super) fn publish(&mut self, id: DeliveryId, publications: Vec<Publication>, fate: Fate, now: Time) {
        let count = u32::try_from(publications.len()).expect("the limit on outputs is far lower");
        // The payload of a dead letter is shared with its record.
        let has_own_bytes = fate == Fate::Done;
        #[cfg(feature = "sabotage")]
        let has_own_bytes = has_own_bytes && !self.is_sabotaged(super::Sabotage::OutputsNotCounted);
        let delivery = &mut self.deliveries[id];
        delivery.storing = fate == Fate::DeadLettered;
        self.intake.freed_outputs(delivery.outputs());
        delivery.lead_to(publications, has_own_bytes);
        self.intake.has_outputs(delivery.outputs());
        if self.route.is_exactly_once() {
            self.prepare(id, fate, now);
            return;
        }
        delivery.state = State::Publishing(fate);
        if count == 0 {
            self.settle(id, fate, now);
            return;
        }
        if self.deliveries[id].goes_back() {
            let fate = if self.is_leaving(id) { Fate::Revoked } else { Fate::Released };
            self.drop_lane(id, fate);
            return;
        }
        let is_cumulative = !self.route.source.acknowledges_each();
        let must_wait = self.must_wait_to_publish(id, fate);
        let delivery = &mut self.deliveries[id];
        if must_wait {
            (0..count).for_each(|index| delivery.refuse(index));
        } else {
            delivery.pending = count;
            self.intake.sent(delivery.outputs());
            self.actions.extend((0..count).map(|index| Action::Publish { delivery: id, index }));
            self.watch_publication(id, now);
        }
        // The outputs are sent in order, and the commit point waits for them, so the next delivery of the key may run. With
        // separate acknowledgement, the next one waits until they are durable.
        if fate == Fate::Done && is_cumulative {
            self.hand_on(id);
        }
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::CommitBeforePublish) && is_cumulative {
            self.acknowledge(id, fate, now);
        } else if self.is_sabotaged(super::Sabotage::DeleteBeforeDurable) && !is_cumulative {
            self.delete(id);
        }
    }

    pub(super) fn durable(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.pending -= 1;
        if delivery.state == State::Publishing(Fate::Done) {
            self.account.outputs += 1;
        }
        self.answered(id, now);
    }

    pub(super) fn not_durable(&mut self, id: DeliveryId, index: u32, refusal: Refusal, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.pending -= 1;
        let before = delivery.is_refused();
        let (Refusal::Unavailable(text) | Refusal::Rejected(_, text)) = &refusal;
        delivery.note_refusal(index, text);
        match (refusal, delivery.state) {
            (Refusal::Rejected(code, text), State::Publishing(Fate::Done)) => {
                delivery.reject(|| Failure::contract(code, text));
            }
            (Refusal::Rejected(code, _), State::Publishing(_)) if index == DEAD_LETTER => {
                if self.change_letter(id, &code) {
                    self.deliveries[id].pending += 1;
                    self.actions.push_back(Action::Publish { delivery: id, index });
                } else {
                    let delivery = &mut self.deliveries[id];
                    delivery.refuse(index);
                    delivery.is_refused_for_good = true;
                }
            }
            // An error event that is rejected for good must not block the route, because the original message is stored.
            (Refusal::Rejected(..), State::Publishing(_)) => {}
            // The output may have arrived, so another send could duplicate it.
            (Refusal::Unavailable(text), State::Publishing(Fate::Done)) if self.route.is_at_most_once() => {
                let failure = || Failure::new(Class::HostFault, Code::OUTPUT_UNAVAILABLE, text);
                delivery.reject(failure);
            }
            #[cfg(feature = "sabotage")]
            (_, State::Publishing(Fate::DeadLettered)) if self.sabotage == Some(super::Sabotage::DeadLetterDropped) => {
            }
            _ => delivery.refuse(index),
        }
        let delivery = &self.deliveries[id];
        if let Some(lane) = delivery.lane.filter(|_| !before && delivery.is_refused() && delivery.is_live()) {
            self.lanes.set_blocked(lane, true);
            self.lanes.set_stalled(lane, true);
        }
        self.answered(id, now);
    }

    /// Handles a transaction that was aborted because of one publication: this delivery ends in another way, the rest stays
    /// prepared. A dead letter that is rejected in every form blocks its partition from there on.
    pub(super) fn reject_prepared(&mut self, id: DeliveryId, index: u32, code: Code, text: Box<str>, now: Time) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.note_refusal(index, &text);
        match delivery.state {
            State::Prepared(Fate::Done) => {
                self.note(id, Failure::contract(code, text), now);
                self.store(id, Reason::Permanent, now);
            }
            State::Prepared(_) if index == DEAD_LETTER => {
                let has_changed = self.change_letter(id, &code);
                if !has_changed {
                    self.stand(id, now);
                }
            }
            State::Prepared(_) => delivery.publications.truncate(index as usize),
            _ => {}
        }
    }

    /// Handles the answer of one publication.
    fn answered(&mut self, id: DeliveryId, now: Time) {
        let may_stand = !self.holds_for_refused();
        let delivery = &mut self.deliveries[id];
        if delivery.pending > 0 {
            return;
        }
        self.intake.answered(delivery.outputs());
        let State::Publishing(fate) = delivery.state else {
            self.retire(id);
            return;
        };
        if let Some(rejection) = delivery.take_rejection() {
            // No retry: the broker would reject the output again, and the next delivery of the key may have run.
            self.note(id, rejection, now);
            self.store(id, Reason::Permanent, now);
        } else if std::mem::take(&mut delivery.is_refused_for_good) && may_stand {
            self.stand(id, now);
        } else if delivery.is_refused() && self.is_behind_refused(id) {
            // It is sent when the key continues.
            self.let_go(id);
        } else if self.deliveries[id].is_refused() {
            let wait = self.hold(id);
            self.actions.push_back(Action::Troubled { delivery: id, next: Next::Hold(wait) });
            self.timers.set(now.after(wait), Timer::Publish(id));
        } else {
            self.settle(id, fate, now);
        }
    }

    /// Sends refused publications again, if nothing ahead in the lane must be sent first.
    pub(super) fn publish_again(&mut self, id: DeliveryId, now: Time) {
        let Some(delivery) = self.deliveries.get(id) else { return };
        if matches!(delivery.state, State::Standing(_)) {
            self.offer_again(id, now);
        }
        let delivery = &self.deliveries[id];
        if !delivery.waits_to_publish() {
            return;
        }
        match delivery.lane.filter(|lane| self.lanes.is_behind(*lane, id)) {
            Some(lane) => self.lanes.set_stalled(lane, true),
            None => self.hand_out_refused(id, now),
        }
    }

    fn hand_out_refused(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        let refused = delivery.take_refused();
        delivery.pending = u32::try_from(refused.len()).expect("no more than there are publications");
        self.intake.sent(delivery.outputs());
        self.actions.extend(refused.into_iter().map(|index| Action::Publish { delivery: id, index }));
        self.watch_publication(id, now);
    }

    /// Whether a delivery must wait with its publications for others ahead in its lane. Outputs wait for refused ones. Dead
    /// letters wait for everything ahead, because a delivery ahead may become a dead letter, too.
    fn must_wait_to_publish(&mut self, id: DeliveryId, fate: Fate) -> bool {
        let Some(lane) = self.deliveries[id].lane.filter(|_| !self.route.is_at_most_once()) else { return false };
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedOutputOvertaken) {
            return false;
        }
        let waits = if fate == Fate::Done { self.lanes.is_blocked(lane) } else { self.lanes.is_behind(lane, id) };
        if waits {
            self.lanes.set_stalled(lane, true);
        }
        waits
    }

    /// Whether an unsent publication of this delivery would overtake a refused one.
    pub(super) fn is_overtaking(&self, id: DeliveryId, delivery: &Delivery) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RefusedOutputOvertaken) {
            return false;
        }
        let Some(lane) = delivery.lane.filter(|_| matches!(delivery.state, State::Publishing(_))) else { return false };
        // With delivery at most once, outputs wait for nobody: one that is not sent would count as one that may have arrived.
        let keeps_order = !self.route.is_at_most_once();
        delivery.is_refused() || (keeps_order && self.lanes.is_blocked(lane) && self.lanes.is_behind(lane, id))
    }

    /// Requests the publications that waited for a delivery that has left the lane, in order. The first shows whether the
    /// sink accepts them; if it is refused, those after it are refused, too.
    pub(super) fn advance(&mut self, lane: LaneId, now: Time) {
        if !self.lanes.is_stalled(lane) {
            return;
        }
        let blocked = self.lanes.is_blocked(lane);
        let mut stalled = false;
        for (place, id) in self.lanes.in_order(lane).into_iter().enumerate() {
            let delivery = &self.deliveries[id];
            if !delivery.waits_to_publish() {
                continue;
            }
            let only_as_first = blocked || delivery.state != State::Publishing(Fate::Done);
            if place == 0 || !only_as_first {
                self.hand_out_refused(id, now);
            } else {
                stalled = true;
            }
        }
        self.lanes.set_stalled(lane, stalled || blocked);
    }
}
