//! The trait of sinks, which publish to a broker.
//!
//! A sink takes a publication together with a [`Ticket`]. It settles the ticket when the broker has stored the publication
//! or will never store it.
//!
//! Readers see the outputs of a key in order, and each sink must preserve that: if it refuses a publication as unavailable,
//! it does not deliver later publications for the same destination and key that it already has. So the sinks of a route
//! retry a publication until it is answered, however long the broker is unavailable; a publication that was rejected
//! (`Rejected`) is no longer an output. On Kafka the idempotent producer keeps the order of a partition across its retries
//! (`delivery.timeout.ms` is 0: librdkafka would skip a message that has timed out and send the later ones). On a FIFO queue
//! the next message of a group is sent when the one before it is settled.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::Publication;
use futures::future::{BoxFuture, join_all};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Results of publications that were answered together, as events for a flow.
pub type Answers = Vec<Event>;

/// The sink is full. Offer the publication again after another one is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// Publishes to one broker.
pub trait Sink: Send + Sync {
    /// Starts to publish, without waiting. The ticket is settled when the broker has stored the publication or will never
    /// store it.
    ///
    /// # Errors
    /// [`Busy`] with the ticket, if the sink is full. The call had no effect then.
    fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)>;

    /// Why the sink has failed permanently; `None` if it works. Only a new process can publish again.
    fn failure(&self) -> Option<Box<str>> {
        None
    }

    /// Waits, at most `limit`, until every publication is answered. Returns the number of unanswered ones.
    fn flush(&self, limit: Duration) -> BoxFuture<'_, usize>;

    /// Does the same as [`flush`](Self::flush) and ends the sink. Remaining tickets are settled as unavailable.
    fn close(self: Box<Self>, limit: Duration) -> BoxFuture<'static, usize>;
}

/// All sinks of a host, each with the name of its broker. A clone shares the same sinks.
#[derive(Clone, Default)]
pub struct Sinks(Arc<Vec<(&'static str, Box<dyn Sink>)>>);

impl Sinks {
    /// Takes the sinks of the configured brokers, each with the broker's name.
    pub fn new(sinks: Vec<(&'static str, Box<dyn Sink>)>) -> Self {
        Self(Arc::new(sinks))
    }

    /// Starts to publish, without waiting. The ticket is settled when the broker has stored the publication or will never
    /// store it.
    ///
    /// # Errors
    /// [`Busy`] with the ticket, if the sink is full. The call had no effect then.
    pub fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        let destination = &publication.destination;
        match self.0.iter().find(|(broker, _)| *broker == destination.broker) {
            Some((_, sink)) => sink.publish(publication, ticket),
            None => {
                // The configuration is checked for this. If it happens anyway, the message is held, not lost.
                let text = format!("no broker is configured for {destination}");
                ticket.settle(Err(Refusal::Unavailable(text.into())));
                Ok(())
            }
        }
    }

    /// Why a sink has failed permanently; `None` if all work. Only a new process can publish again.
    pub fn failure(&self) -> Option<Box<str>> {
        self.0.iter().find_map(|(_, sink)| sink.failure())
    }

    /// Waits, at most `limit`, until every publication is answered. If this is the last clone, the sinks end. Returns the
    /// number of unanswered publications.
    pub async fn close(self, limit: Duration) -> usize {
        let unanswered = match Arc::try_unwrap(self.0) {
            Ok(sinks) => join_all(sinks.into_iter().map(|(_, sink)| sink.close(limit))).await,
            Err(shared) => join_all(shared.iter().map(|(_, sink)| sink.flush(limit))).await,
        };
        unanswered.into_iter().sum()
    }
}

/// The obligation to report the result of one publication.
///
/// A result is always reported: a dropped ticket reports [`Refusal::Unavailable`].
#[derive(Debug)]
#[must_use = "a publication waits for it"]
pub struct Ticket {
    flow: Sender<Answers>,
    delivery: DeliveryId,
    index: u32,
    sent_once: bool,
    settled: bool,
}

impl Ticket {
    /// Makes a ticket for publication `index` of `delivery`. `flow` must have room for one answer for each unsettled ticket,
    /// because a ticket does not wait.
    pub fn new(flow: Sender<Answers>, delivery: DeliveryId, index: u32) -> Self {
        Self { flow, delivery, index, sent_once: false, settled: false }
    }

    /// Sets whether the publication must not be sent again if it may have arrived.
    pub fn sent_once(mut self, sent_once: bool) -> Self {
        self.sent_once = sent_once;
        self
    }

    /// Whether the publication must not be sent again if it may have arrived. A sink whose broker drops repeated messages
    /// need not check this; an example is Kafka's idempotent producer.
    pub fn is_sent_once(&self) -> bool {
        self.sent_once
    }

    /// The delivery of the publication.
    pub fn delivery(&self) -> DeliveryId {
        self.delivery
    }

    /// The index of the publication within the delivery, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Reports the result of the publication: `Durable` or `NotDurable`.
    pub fn settle(mut self, result: Result<(), Refusal>) {
        let event = self.event(result);
        tell(&self.flow, vec![event]);
    }

    /// Drops the ticket without a report, because the result is reported elsewhere.
    pub fn void(mut self) {
        self.settled = true;
    }

    /// Reports the results of many publications. Each flow gets all of its results at once, in this order.
    pub fn settle_all(results: impl IntoIterator<Item = (Self, Result<(), Refusal>)>) {
        // Only a few routes have results in one answer, so a linear search is enough.
        let mut flows: Vec<(Sender<Answers>, Answers)> = Vec::new();
        for (mut ticket, result) in results {
            let event = ticket.event(result);
            match flows.iter_mut().find(|(flow, _)| flow.same_channel(&ticket.flow)) {
                Some((_, answers)) => answers.push(event),
                None => flows.push((ticket.flow.clone(), vec![event])),
            }
        }
        flows.into_iter().for_each(|(flow, answers)| tell(&flow, answers));
    }

    fn event(&mut self, result: Result<(), Refusal>) -> Event {
        self.settled = true;
        let (delivery, index) = (self.delivery, self.index);
        match result {
            Ok(()) => Event::Durable { delivery, index },
            Err(refusal) => Event::NotDurable { delivery, index, refusal },
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            let event = self.event(Err(Refusal::Unavailable("the sink dropped the publication".into())));
            tell(&self.flow, vec![event]);
        }
    }
}

fn tell(flow: &Sender<Answers>, answers: Answers) {
    // A closed channel means that the flow has ended and needs no results.
    if let Err(TrySendError::Full(answers)) = flow.try_send(answers) {
        tracing::error!(?answers, "a flow's queue for publication results is full");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ticket_that_is_dropped_is_no_publication_that_is_forgotten() {
        let (flow, mut events) = tokio::sync::mpsc::channel(2);
        Ticket::new(flow.clone(), DeliveryId::default(), 3).settle(Ok(()));
        drop(Ticket::new(flow, DeliveryId::default(), 4));
        let said = events.recv().await.expect("something was said");
        assert!(matches!(said[..], [Event::Durable { index: 3, .. }]), "{said:?}");
        let said = events.recv().await.expect("something was said");
        let [Event::NotDurable { index: 4, refusal: Refusal::Unavailable(_), .. }] = said[..] else {
            panic!("{said:?}");
        };
        assert!(events.recv().await.is_none(), "each says one thing");
    }

    #[tokio::test]
    async fn each_flow_hears_at_once_of_all_that_was_answered_together() {
        let (one, mut of_one) = tokio::sync::mpsc::channel(1);
        let (two, mut of_two) = tokio::sync::mpsc::channel(1);
        let ticket = |flow: &Sender<Answers>, index| (Ticket::new(flow.clone(), DeliveryId::default(), index), Ok(()));
        Ticket::settle_all([ticket(&one, 0), ticket(&two, 1), ticket(&one, 2), ticket(&one, 3)]);
        let indices = |answers: Answers| -> Vec<u32> {
            answers.iter().map(|event| if let Event::Durable { index, .. } = event { *index } else { 99 }).collect()
        };
        assert_eq!(of_one.recv().await.map(indices), Some(vec![0, 2, 3]));
        assert_eq!(of_two.recv().await.map(indices), Some(vec![1]));
    }
}
