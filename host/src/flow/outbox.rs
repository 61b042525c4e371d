//! Publications that no sink has accepted yet, in order.

use std::collections::VecDeque;

use cofferdam_core::event::DeliveryId;

use crate::sink::Ticket;

/// A publication: its delivery, and its index within the delivery.
pub(super) type Waiting = (DeliveryId, u32);

#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    /// The ticket of the first publication, if its sink was full.
    turned_back: Option<Ticket>,
}

impl Outbox {
    pub(super) fn push(&mut self, publication: Waiting) {
        self.waiting.push_back(publication);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes and returns the first publication, with its ticket if a sink was full before.
    pub(super) fn next(&mut self) -> Option<(Waiting, Option<Ticket>)> {
        self.waiting.pop_front().map(|publication| (publication, self.turned_back.take()))
    }

    /// Puts the last removed publication back at the front, because its sink was full.
    pub(super) fn turn_back(&mut self, publication: Waiting, ticket: Ticket) {
        self.waiting.push_front(publication);
        self.turned_back = Some(ticket);
    }

    /// Removes and returns the publications that must not be sent any more. The others keep their order.
    pub(super) fn withdraw(&mut self, is_to_be_sent: impl Fn(DeliveryId) -> bool) -> Vec<Waiting> {
        let first = self.waiting.front().copied();
        let (kept, withdrawn) = self.waiting.drain(..).partition(|(delivery, _)| is_to_be_sent(*delivery));
        self.waiting = kept;
        if self.waiting.front().copied() != first
            && let Some(ticket) = self.turned_back.take()
        {
            ticket.void();
        }
        Vec::from(withdrawn)
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_withdrawn_is_answered_by_nobody_else_and_the_rest_keeps_its_order() {
        let mut ids: SlotMap<DeliveryId, ()> = SlotMap::with_key();
        let [gone, kept] = [ids.insert(()), ids.insert(())];
        let (flow, mut answers) = mpsc::channel(4);
        let mut outbox = Outbox::default();
        for publication in [(gone, 0), (kept, 0), (gone, 1), (kept, 1)] {
            outbox.push(publication);
        }
        let (first, ticket) = outbox.next().unwrap();
        assert!(ticket.is_none());
        outbox.turn_back(first, Ticket::new(flow, gone, 0));

        assert_eq!(outbox.withdraw(|id| id == kept), [(gone, 0), (gone, 1)]);
        assert!(answers.try_recv().is_err(), "the ticket of what was withdrawn says nothing");
        let rest: Vec<Waiting> = std::iter::from_fn(|| outbox.next().map(|(publication, _)| publication)).collect();
        assert_eq!(rest, [(kept, 0), (kept, 1)]);
    }

    #[test]
    fn one_that_was_tried_keeps_its_ticket() {
        let mut ids: SlotMap<DeliveryId, ()> = SlotMap::with_key();
        let [tried, gone] = [ids.insert(()), ids.insert(())];
        let (flow, mut answers) = mpsc::channel(4);
        let mut outbox = Outbox::default();
        outbox.push((gone, 0));
        outbox.turn_back((tried, 7), Ticket::new(flow, tried, 7));
        assert_eq!(outbox.withdraw(|id| id == tried), [(gone, 0)]);
        let (publication, ticket) = outbox.next().unwrap();
        assert_eq!((publication, ticket.as_ref().map(Ticket::index)), ((tried, 7), Some(7)));
        ticket.unwrap().settle(Ok(()));
        assert_eq!(answers.try_recv().unwrap().len(), 1);
    }
}
