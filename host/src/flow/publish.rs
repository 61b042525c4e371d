//! Hands over what deliveries lead to: publications to the sinks, events to the store of ids.

use cofferdam_core::event::{Event, Refusal};

use super::{Flow, OUTSTANDING};
use crate::handler::Handler;
use crate::sink::{Busy, Ticket};

impl<H: Handler> Flow<H> {
    /// Hands publications to the sinks, in order, as far as they have room.
    pub(super) fn publish(&mut self) {
        while self.outstanding < OUTSTANDING && !self.listeners.are_mute() {
            let Some(((delivery, index), ticket)) = self.outbox.next() else { return };
            let publication = self.machine.delivery(delivery).and_then(|delivery| delivery.publication(index));
            let publication = publication.expect("a delivery stays until its publications are answered");
            let ticket = ticket.unwrap_or_else(|| {
                let once = self.machine.is_to_be_sent_once(delivery);
                Ticket::new(self.tickets.clone(), delivery, index).sent_once(once)
            });
            if let Err((ticket, Busy)) = self.sinks.publish(publication, ticket) {
                self.outbox.turn_back((delivery, index), ticket);
                return;
            }
            self.outstanding += 1;
        }
    }

    /// Sends nothing more of deliveries that have ended otherwise. Were it sent all the same, a route that loses its partitions
    /// again and again while its sink is slow would hold more and more of what nobody waits for.
    pub(super) fn withdraw(&mut self) {
        if std::mem::take(&mut self.has_withdrawn) {
            let withdrawn = self.outbox.withdraw(|delivery| self.machine.is_to_be_sent(delivery));
            for (delivery, index) in withdrawn {
                let refusal = Refusal::Unavailable("partition or lease was lost before publishing".into());
                self.tell(Event::NotDurable { delivery, index, refusal });
            }
        }
    }

    /// Hands events to the store of ids.
    pub(super) fn record(&mut self) {
        if let Some(duplicates) = &self.duplicates
            && !self.records.is_empty()
            && !self.listeners.are_mute()
        {
            self.outstanding += duplicates.record(std::mem::take(&mut self.records), &self.tickets);
        }
    }
}
