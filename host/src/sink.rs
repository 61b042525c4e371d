//! Where publications go.
//!
//! A sink takes a publication together with a [`Ticket`] and settles the ticket when the broker has it, or when it is
//! clear that the broker will not.
//!
//! Readers see the outputs of a key in its order, and each sink has its part in that: where it refuses a publication as
//! unavailable, it does not deliver what it was given later for the same destination and key. So the sinks of a route try
//! a publication until it is answered, however long the broker is away; what was refused for good (`Rejected`) is no
//! output any more. On Kafka the idempotent producer keeps the order of a partition across its retries
//! (`delivery.timeout.ms` is 0: librdkafka would skip a message that has timed out and send those behind it); on a FIFO
//! queue the next message of a group is sent when the one before it is settled.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::Publication;
use futures::future::{BoxFuture, join_all};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// What became of publications, as a flow hears of it: those that were answered together.
pub type Answers = Vec<Event>;

/// As many publications wait as may: the same one can be given again when one of them is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// The way to one broker.
pub trait Sink: Send + Sync {
    /// Takes a publication on its way, without waiting; its ticket is settled when the broker has it or will not
    /// have it.
    ///
    /// # Errors
    /// [`Busy`], with the ticket; nothing has happened then.
    fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)>;

    /// Why nothing can be published any more, where that is so: only another process can.
    fn failure(&self) -> Option<Box<str>> {
        None
    }

    /// Waits until every publication has been answered, at most `limit`. Returns how many have not been.
    fn flush(&self, limit: Duration) -> BoxFuture<'_, usize>;

    /// The same, and ends: tickets that are left are settled as unavailable.
    fn close(self: Box<Self>, limit: Duration) -> BoxFuture<'static, usize>;
}

/// All sinks of a host, each with the name of its broker; a clone is the same sinks.
#[derive(Clone, Default)]
pub struct Sinks(Arc<Vec<(&'static str, Box<dyn Sink>)>>);

impl Sinks {
    /// Those that are configured, by broker.
    pub fn new(sinks: Vec<(&'static str, Box<dyn Sink>)>) -> Self {
        Self(Arc::new(sinks))
    }

    /// Takes a publication on its way, without waiting; its ticket is settled when the broker has it or will not
    /// have it.
    ///
    /// # Errors
    /// [`Busy`], with the ticket; nothing has happened then.
    pub fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        let destination = &publication.destination;
        match self.0.iter().find(|(broker, _)| *broker == destination.broker) {
            Some((_, sink)) => sink.publish(publication, ticket),
            None => {
                // The configuration is checked for this; a message that comes here all the same is held, not lost.
                let text = format!("no broker is configured for {destination}");
                ticket.settle(Err(Refusal::Unavailable(text.into())));
                Ok(())
            }
        }
    }

    /// Why nothing can be published to a broker any more, where that is so: only another process can.
    pub fn failure(&self) -> Option<Box<str>> {
        self.0.iter().find_map(|(_, sink)| sink.failure())
    }

    /// Waits until every publication has been answered, at most `limit`, and ends the sinks, where this is the last clone
    /// of them. Returns how many publications have not been answered.
    pub async fn close(self, limit: Duration) -> usize {
        let unanswered = match Arc::try_unwrap(self.0) {
            Ok(sinks) => join_all(sinks.into_iter().map(|(_, sink)| sink.close(limit))).await,
            Err(shared) => join_all(shared.iter().map(|(_, sink)| sink.flush(limit))).await,
        };
        unanswered.into_iter().sum()
    }
}

/// The duty to say what became of one publication.
///
/// It is never lost: dropped without a word, it says [`Refusal::Unavailable`].
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
    /// A ticket for publication `index` of `delivery`. `flow` must have room for one answer for each ticket that is not
    /// settled: a ticket does not wait.
    pub fn new(flow: Sender<Answers>, delivery: DeliveryId, index: u32) -> Self {
        Self { flow, delivery, index, sent_once: false, settled: false }
    }

    /// The publication is not to be sent again where it may have arrived, if this is so.
    pub fn sent_once(mut self, sent_once: bool) -> Self {
        self.sent_once = sent_once;
        self
    }

    /// Whether the publication is not to be sent again where it may have arrived. A sink whose broker drops repeats need not
    /// ask, as the idempotent producer of Kafka.
    pub fn is_sent_once(&self) -> bool {
        self.sent_once
    }

    /// Whose publication it is.
    pub fn delivery(&self) -> DeliveryId {
        self.delivery
    }

    /// Which of the delivery's publications, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Says what became of the publication: `Durable` or `NotDurable`.
    pub fn settle(mut self, result: Result<(), Refusal>) {
        let event = self.event(result);
        tell(&self.flow, vec![event]);
    }

    /// Nobody waits for it any more: what became of the publication is said otherwise.
    pub fn void(mut self) {
        self.settled = true;
    }

    /// Says what became of many publications; each flow hears of all of its own at once, in this order.
    pub fn settle_all(results: impl IntoIterator<Item = (Self, Result<(), Refusal>)>) {
        // Few routes share an answer.
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
    // A flow that is gone has no use for them.
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
