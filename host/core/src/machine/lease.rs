//! Leases of messages: extended while needed, given up when lost, and messages handed back.

use std::sync::Arc;
use std::time::Duration;

use super::Machine;
use super::delivery::{Lease, Tenure};
use super::timers::Timer;
use crate::action::{Action, Ask, Fate};
use crate::ids::DeliveryId;
use crate::time::Time;

/// Share of a lease that must pass before an extension is requested again.
const LEAST_SHARE: u32 = 16;

impl Machine {
    /// The time to check a lease that ends at `until`: half of the lease is left for further tries.
    fn lease_check(&self, until: Time) -> Time {
        until.before(self.lease_length() / 2)
    }

    /// Length of a lease; zero if the source has no leases.
    fn lease_length(&self) -> Duration {
        self.route.source.lease.map_or(Duration::ZERO, |lease| lease.length)
    }

    /// The lease of a new message, which ends at `until`.
    pub(super) fn new_lease(&self, until: Time) -> Lease {
        Lease { until, check: self.lease_check(until), attempt_until: None }
    }

    pub(super) fn check_lease(&mut self, id: DeliveryId, now: Time) {
        let length = self.lease_length();
        let Some(delivery) = self.deliveries.get_mut(id).filter(|delivery| delivery.is_live()) else { return };
        if delivery.pledged {
            return;
        }
        let Tenure::Receipt(receipt) = &mut delivery.tenure else { return };
        let Some(lease) = &mut receipt.lease else { return };
        if now < lease.check {
            return;
        }
        if now >= lease.until {
            self.lease_lost(id);
            return;
        }
        // The request or its answer may be lost: look again while there is time for another one.
        let half = lease.until.since(now) / 2;
        lease.check = if half < length / LEAST_SHARE { lease.until } else { now.after(half) };
        #[cfg(feature = "sabotage")]
        if self.sabotage == Some(super::Sabotage::ExtensionNotRepeated) {
            lease.check = lease.until;
        }
        let check = lease.check;
        // The lease of an attempt that takes too long is not extended any more.
        if lease.attempt_until.is_none_or(|limit| now < limit) {
            let extend = Ask::Extend { delivery: id, receipt: Arc::clone(&receipt.handle), lease: length };
            self.actions.push_back(Action::Ask(extend));
        }
        self.timers.set(check, Timer::Lease(id));
    }

    pub(super) fn extended(&mut self, deliveries: &[DeliveryId], ends: Time) {
        let next = self.lease_check(ends);
        for id in deliveries {
            let Some(delivery) = self.deliveries.get_mut(*id) else { continue };
            if let Some(lease) = delivery.lease() {
                (lease.until, lease.check) = (ends, next);
                self.timers.set(next, Timer::Lease(*id));
            }
        }
    }

    /// Gives up a message whose lease is lost. Another consumer may have it, so it must not be acknowledged, and nothing
    /// behind it may run before it.
    pub(super) fn lease_lost(&mut self, id: DeliveryId) {
        if !self.deliveries.get(id).is_some_and(|delivery| delivery.is_live() && !delivery.pledged) {
            return;
        }
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::LostLeaseKept) {
            return;
        }
        let withdrawn = self.withdraw(id);
        self.finish(id, Fate::Revoked);
        self.hand_back_all(&withdrawn[1..], Duration::ZERO);
    }

    /// Hands the message back to its queue, with all that wait behind it.
    pub(super) fn hand_back(&mut self, id: DeliveryId, delay: Duration) {
        let withdrawn = self.withdraw(id);
        self.hand_back_all(&withdrawn, delay);
    }

    /// How long the queue can delay this message: it counts its limit from the receive, which was a little earlier than the
    /// message arrived here.
    pub(super) fn longest_delay(&self, id: DeliveryId, now: Time) -> Duration {
        const EARLIER: Duration = Duration::from_secs(60);
        let longest = self.route.source.longest_delay.unwrap_or_default();
        longest.saturating_sub(now.since(self.deliveries[id].received)).saturating_sub(EARLIER)
    }

    /// Whether a message spends this wait in its queue instead of in the host. It does if the queue can delay it for so
    /// long, and if that has no disadvantage: the wait is longer than a lease, which would need extensions; no message waits
    /// behind it or could overtake it; and after the receive that this costs, another one is left for a fault.
    pub(super) fn waits_in_its_queue(&self, id: DeliveryId, wait: Duration) -> bool {
        let (delivery, source) = (&self.deliveries[id], &self.route.source);
        let saves = source.longest_delay.is_some() && source.lease.is_some_and(|lease| wait > lease.length);
        let keeps_order = source.keeps_order_on_return || delivery.lane.is_none();
        let to_spare =
            source.max_receives.is_none_or(|most| delivery.receives().is_some_and(|receives| receives + 1 < most));
        saves && keeps_order && to_spare && !self.has_waiting(id)
    }

    /// Whether another delivery waits behind the message in its lane.
    pub(super) fn has_waiting(&self, id: DeliveryId) -> bool {
        self.deliveries[id].lane.is_some_and(|lane| self.lanes.has_waiting(lane))
    }

    pub(super) fn is_last_receive(&self, id: DeliveryId) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::LastReceiveGivenBack) {
            return false;
        }
        self.deliveries[id].is_last_receive(&self.route.source)
    }

    pub(super) fn hand_back_all(&mut self, withdrawn: &[DeliveryId], delay: Duration) {
        let receipts = withdrawn.iter().filter_map(|id| self.deliveries[*id].receipt().cloned()).collect();
        self.release(receipts, delay);
        for id in withdrawn {
            self.remember(*id);
            self.finish(*id, Fate::Released);
        }
    }
}
