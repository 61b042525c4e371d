//! Conditions that a delivery at the head of its lane may have to wait for.

use std::collections::HashMap;
use std::sync::Arc;

use super::Machine;
use super::delivery::{State, Tenure};
use super::partition::Start;
use crate::action::Action;
use crate::envelope::Opened;
use crate::ids::DeliveryId;
use crate::time::Time;

/// Event ids of deliveries in flight, on a route that suppresses duplicates.
///
/// The event-id store knows which events were handled before. If two receipts of one event are in flight, the second waits
/// until the first has ended, and the store is asked again then.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<Box<str>, Claim>);

#[derive(Debug)]
struct Claim {
    owner: DeliveryId,
    waiting: Vec<DeliveryId>,
}

impl Identities {
    /// Returns whether this delivery may handle the event. If not, the delivery waits here until it may.
    fn claim(&mut self, id: &str, delivery: DeliveryId) -> bool {
        let Some(claim) = self.0.get_mut(id) else {
            self.0.insert(id.into(), Claim { owner: delivery, waiting: Vec::new() });
            return true;
        };
        if claim.owner != delivery {
            claim.waiting.push(delivery);
        }
        claim.owner == delivery
    }

    /// All deliveries that wait for another receipt of their event.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &DeliveryId> {
        self.0.values().flat_map(|claim| &claim.waiting)
    }

    /// Releases the event id of a delivery that has ended. Returns the deliveries that waited for it.
    fn give_up(&mut self, id: &str, delivery: DeliveryId) -> Vec<DeliveryId> {
        if self.0.get(id).is_none_or(|claim| claim.owner != delivery) {
            return Vec::new();
        }
        self.0.remove(id).map_or_else(Vec::new, |claim| claim.waiting)
    }
}

impl Machine {
    /// Whether a delivery may start. If not, it is kept where it waits, and queued again when the wait is over.
    pub(super) fn may_start(&mut self, id: DeliveryId) -> bool {
        // At most once, with separate acknowledgement: the message must be deleted from the queue before it is handled.
        let pledges = self.route.is_at_most_once() && self.route.source.acknowledges_each();
        #[cfg(feature = "sabotage")]
        let ignores_source = self.is_sabotaged(super::Sabotage::SourceIgnored);
        let delivery = &mut self.deliveries[id];
        if let Tenure::Offset { partition, offset, place } = delivery.tenure {
            let start = Start { id, place, counted: delivery.counted, held: delivery.held };
            if !self.partitions.lets_start(partition, offset, start) {
                self.look_for_stuck();
                return false;
            }
        }
        if pledges && !delivery.pledged {
            delivery.gated = true;
            return false;
        }
        if !self.route.suppress_duplicates {
            return true;
        }
        let mut decoded = None;
        let event = delivery.identify(|record| {
            let opened = decoded.insert(Opened::new(Arc::clone(record)));
            #[cfg(feature = "sabotage")]
            if ignores_source {
                return opened.message(&self.route.envelope).ok().map(|message| (*message.id).into());
            }
            self.route.event_identity(opened)
        });
        let is_its_own = event.is_none_or(|event| self.identities.claim(event, id));
        if let Some(opened) = decoded {
            self.keep_opened(id, opened.into());
        }
        is_its_own
    }

    /// Releases the event id, so that another receipt of the event can be handled.
    pub(super) fn give_up_event(&mut self, id: DeliveryId) {
        if let Some(event) = self.deliveries[id].event() {
            let waiting = self.identities.give_up(event, id);
            waiting.into_iter().for_each(|id| self.enqueue(id));
        }
    }

    /// Handles an event that was handled before, according to the event-id store.
    pub(super) fn known(&mut self, id: DeliveryId, now: Time) {
        self.running -= 1;
        self.watch.undecided(id);
        let delivery = &mut self.deliveries[id];
        if delivery.state == State::Forgotten {
            self.step_aside(id);
            self.retire(id);
            return;
        }
        delivery.end_attempt();
        delivery.state = State::Parked;
        self.let_go(id);
        self.settle(id, crate::action::Fate::Duplicate, now);
    }

    /// Requests the recording of the event id. The outputs are durable, and the message is not acknowledged yet.
    pub(super) fn record(&mut self, id: DeliveryId) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Recording;
        delivery.pending = 1;
        self.actions.push_back(Action::Record(id));
    }

    pub(super) fn recorded(&mut self, deliveries: &[DeliveryId], now: Time) {
        for id in deliveries {
            let delivery = &mut self.deliveries[*id];
            delivery.pending = 0;
            if delivery.state == State::Recording {
                self.let_go(*id);
                self.acknowledge(*id, crate::action::Fate::Done, now);
            } else {
                self.retire(*id);
            }
        }
    }

    /// Retries the recording of event ids whose outputs are durable. Without the record the message must not be
    /// acknowledged, because a duplicate would be handled again.
    pub(super) fn not_recorded(&mut self, deliveries: &[DeliveryId], text: &str, now: Time) {
        for id in deliveries {
            let delivery = &mut self.deliveries[*id];
            delivery.pending = 0;
            if delivery.state == State::Recording {
                delivery.note_unrecorded(text);
                let wait = self.hold(*id);
                self.actions.push_back(Action::Troubled { delivery: *id, next: crate::action::Next::Hold(wait) });
                self.timers.set(now.after(wait), super::timers::Timer::Record(*id));
            } else {
                self.retire(*id);
            }
        }
    }

    pub(super) fn record_again(&mut self, id: DeliveryId) {
        let waits = |delivery: &super::Delivery| delivery.state == State::Recording && delivery.pending == 0;
        if self.deliveries.get(id).is_some_and(waits) {
            self.record(id);
        }
    }
}
