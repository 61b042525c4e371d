//! Acknowledges messages: all records up to an offset, or each message separately.

use std::time::Duration;

use super::Machine;
use super::delivery::{State, Tenure};
use super::timers::Timer;
use crate::action::{Action, Ask, Fate};
use crate::ids::DeliveryId;
use crate::time::Time;

/// Delay before a failed deletion is tried again, while the lease lasts.
const DELETE_AGAIN: Duration = Duration::from_secs(1);

impl Machine {
    /// Settles a delivery whose publications are all durable, so that it can be acknowledged.
    pub(super) fn settle(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        let delivery = &self.deliveries[id];
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::DeadLetterRecorded) && delivery.event().is_some() {
            return self.record(id);
        }
        // The order is: outputs, the record of the event id, the acknowledgement. A crash in between repeats and never
        // loses. A dead letter is not recorded, because its replay would be taken for a duplicate.
        if fate == Fate::Done && self.route.suppress_duplicates && delivery.event().is_some() {
            self.record(id);
        } else {
            self.acknowledge(id, fate, now);
        }
    }

    pub(super) fn acknowledge(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        let lane = self.deliveries[id].lane;
        if let Some(lane) = lane.filter(|lane| self.lanes.is_first(*lane, id)) {
            self.lanes.set_blocked(lane, false);
        }
        self.step_aside(id);
        if let Some(lane) = lane {
            self.advance(lane, now);
        }
        let delivery = &self.deliveries[id];
        match delivery.tenure {
            // The message was acknowledged before it was handled.
            _ if self.route.is_at_most_once() => self.finish(id, fate),
            Tenure::Offset { partition, offset, place } => {
                self.partitions.settle(partition, offset, place);
                #[cfg(feature = "sabotage")]
                if self.is_sabotaged(super::Sabotage::FinishedBeforeTheCommit) {
                    self.intake.closed(1);
                }
                self.commit_in_time(now);
                self.finish(id, fate);
            }
            Tenure::Receipt(_) => {
                self.let_go(id);
                self.deliveries[id].state = State::Deleting(fate);
                self.delete(id);
            }
        }
    }

    pub(super) fn delete(&mut self, id: DeliveryId) {
        if let Some(receipt) = self.deliveries[id].receipt() {
            let delete = Ask::Delete { delivery: id, receipt: receipt.clone() };
            self.actions.push_back(Action::Ask(delete));
        }
    }

    pub(super) fn deleted(&mut self, deliveries: &[DeliveryId]) {
        for id in deliveries {
            if self.pledged(*id) {
                continue;
            }
            if let Some(State::Deleting(fate)) = self.deliveries.get(*id).map(|delivery| delivery.state) {
                self.finish(*id, fate);
            }
        }
    }

    pub(super) fn delete_failed(&mut self, deliveries: &[DeliveryId], now: Time) {
        for id in deliveries {
            self.timers.set(now.after(DELETE_AGAIN), Timer::Delete(*id));
        }
    }

    pub(super) fn delete_again(&mut self, id: DeliveryId) {
        let pledges = self.route.is_at_most_once();
        let waits = |delivery: &super::Delivery| {
            matches!(delivery.state, State::Deleting(_)) || (pledges && delivery.is_live() && !delivery.pledged)
        };
        if self.deliveries.get(id).is_some_and(waits) {
            self.delete(id);
        }
    }

    /// At most once: the message is deleted from the queue and may be handled now.
    fn pledged(&mut self, id: DeliveryId) -> bool {
        if !self.route.is_at_most_once() {
            return false;
        }
        if let Some(delivery) = self.deliveries.get_mut(id).filter(|delivery| delivery.is_live()) {
            delivery.pledged = true;
            if std::mem::take(&mut delivery.gated) {
                self.enqueue(id);
            }
        }
        true
    }
}
