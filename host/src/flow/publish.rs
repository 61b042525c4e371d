//! Sends publications to the sinks and event ids to the event-id store.

use cofferdam_core::event::{Event, Refusal};

use super::{Flow, OUTSTANDING};
use crate::handler::Handler;
use crate::sink::{Busy, Ticket};

impl<H: Handler> Flow<H> {
    /// Gives publications to the sinks, in order, until a sink is full or too many are unanswered.
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

    /// Withdraws unsent publications of deliveries that ended otherwise. Without this, a route that loses its partitions
    /// repeatedly while its sink is slow would hold more and more useless publications.
    pub(super) fn withdraw(&mut self) {
        if std::mem::take(&mut self.has_withdrawn) {
            let withdrawn = self.outbox.withdraw(|delivery| self.machine.is_to_be_sent(delivery));
            for (delivery, index) in withdrawn {
                let refusal = Refusal::Unavailable("partition or lease was lost before publishing".into());
                self.tell(Event::NotDurable { delivery, index, refusal });
            }
        }
    }

    /// Gives event ids to the event-id store.
    pub(super) fn record(&mut self) {
        if let Some(duplicates) = &self.duplicates
            && !self.records.is_empty()
            && !self.listeners.are_mute()
        {
            self.outstanding += duplicates.record(std::mem::take(&mut self.records), &self.tickets);
        }
    }
}
