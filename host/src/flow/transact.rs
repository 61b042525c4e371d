//! Starts transactions, with the group membership that their offsets belong to.

use cofferdam_core::event::{Aborted, DeliveryId, Event};
use cofferdam_core::ids::CommitPosition;

use super::Flow;
use crate::handler::Handler;
use crate::source::Membership;
use crate::transactions::Work;

impl<H: Handler> Flow<H> {
    /// Starts a transaction without waiting for it. Its answer arrives in the same queue as those of the sinks.
    pub(super) fn transact(&mut self, deliveries: &[DeliveryId], positions: Vec<CommitPosition>) {
        self.outstanding += 1;
        let refuse = |positions, reason: &str| Event::NotTransacted(positions, Aborted::Unavailable(reason.into()));
        let refused = match (&self.transactions, self.source.membership()) {
            (Some(transactions), Some(member)) => transactions.transact(self.work(deliveries, positions, member)).err(),
            (Some(_), None) => Some(refuse(positions, "the consumer group is being rebalanced")),
            (None, _) => Some(refuse(positions, "the route does not use transactions")),
        };
        // The queue has room for one answer of a transaction.
        if let Some(event) = refused
            && self.tickets.try_send(vec![event]).is_err()
        {
            tracing::error!("a flow's queue for results of transactions is full");
        }
    }

    fn work(&self, deliveries: &[DeliveryId], positions: Vec<CommitPosition>, membership: Membership) -> Work {
        let deliveries = deliveries.iter().filter_map(|id| self.machine.delivery(*id).map(|delivery| (*id, delivery)));
        let mut work = Work { deliveries: Vec::new(), positions, membership };
        for (id, delivery) in deliveries {
            let publications = (0..).map_while(|index| delivery.publication(index).cloned()).collect();
            work.deliveries.push((id, publications));
        }
        work
    }
}
