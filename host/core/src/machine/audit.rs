//! Checks the machine's counts. For simulations: the cost grows with the number of messages in flight.

use std::collections::HashSet;

use super::Machine;
use super::delivery::{Delivery, State};
use crate::ids::DeliveryId;

impl Machine {
    /// Checks, between two events, that all counts are right and that every waiting delivery will have its turn.
    ///
    /// # Errors
    /// A description of the inconsistency.
    pub fn audit(&self) -> Result<(), String> {
        self.audit_counts()?;
        self.audit_queues()
    }

    fn audit_counts(&self) -> Result<(), String> {
        let live = || self.deliveries.values().filter(|delivery| delivery.is_live());
        let count = live().count();
        agree("receipts that have not ended", self.account.received - self.account.ended(), count as u64)?;
        agree("deliveries in flight", self.live, count)?;
        agree("deliveries held", self.held as usize, live().filter(|delivery| delivery.held).count())?;
        agree("letters refused", self.refused as usize, live().filter(|delivery| delivery.stands).count())?;
        let prepared = self.partitions.slots.values().map(|slot| slot.prepared.len()).sum();
        agree("prepared deliveries", self.prepared(), prepared)?;
        let bytes: u64 = self.deliveries().map(|(_, delivery)| delivery.size()).sum();
        agree("bytes in memory", self.in_use().bytes, bytes)
    }

    /// Checks that each waiting delivery is in a queue, or behind a delivery that will leave the lane.
    fn audit_queues(&self) -> Result<(), String> {
        let mut queued = HashSet::new();
        for id in self.ready.iter().chain(self.at_gates()) {
            let waits = self.deliveries.get(*id).is_some_and(|delivery| delivery.state == State::Waiting);
            if waits && !queued.insert(*id) {
                return Err(format!("{id:?} is queued twice"));
            }
        }
        self.deliveries.iter().try_for_each(|(id, delivery)| self.audit_place(id, delivery, &queued))
    }

    /// Deliveries at the heads of their lanes that wait for something other than their turn.
    fn at_gates(&self) -> impl Iterator<Item = &DeliveryId> {
        let slots =
            self.partitions.slots.values().flat_map(|slot| slot.uncommitted.iter().chain(slot.stalled.values()));
        slots.chain(self.identities.waiting())
    }

    fn audit_place(&self, id: DeliveryId, delivery: &Delivery, queued: &HashSet<DeliveryId>) -> Result<(), String> {
        let ahead = delivery.lane.and_then(|lane| self.lanes.head(lane)).filter(|head| *head != id);
        let wrong = match (delivery.state, ahead) {
            (State::Retired, _) => delivery.lane.is_some().then_some("has ended and is in the way of its lane"),
            (State::Waiting, None) => {
                (!queued.contains(&id) && !delivery.gated).then_some("waits and nobody will start it")
            }
            (State::Waiting, Some(ahead)) => {
                (!self.deliveries.contains_key(ahead)).then_some("waits behind one that is gone")
            }
            (_, None) | (State::Publishing(_) | State::Standing(_) | State::Recording, Some(_)) => None,
            (_, Some(_)) => Some("has gone ahead of the head of its lane"),
        };
        wrong.map_or(Ok(()), |wrong| Err(format!("{} {wrong} ({:?})", delivery.record.id(), delivery.state)))
    }
}

fn agree<T: PartialEq + std::fmt::Display>(what: &str, said: T, counted: T) -> Result<(), String> {
    if said == counted { Ok(()) } else { Err(format!("{what}: {said} in the books, {counted} counted")) }
}
