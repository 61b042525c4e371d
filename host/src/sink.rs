//! Where publications go.
//!
//! A sink takes a publication together with a [`Ticket`] and settles the ticket when the broker has it, or when it is
//! clear that the broker will not.

pub mod kafka;
pub mod sqs;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::{Destination, Publication};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// As many publications wait as may: the same one can be given again when one of them is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// All sinks of a host; a clone is the same sinks.
#[derive(Clone)]
pub struct Sinks {
    kafka: Option<kafka::Kafka>,
    sqs: Option<Arc<sqs::Sqs>>,
}

impl Sinks {
    /// Those that are configured.
    pub fn new(kafka: Option<kafka::Kafka>, sqs: Option<sqs::Sqs>) -> Self {
        Self { kafka, sqs: sqs.map(Arc::new) }
    }

    /// Takes a publication on its way, without waiting; its ticket is settled when the broker has it or will not
    /// have it.
    ///
    /// # Errors
    /// [`Busy`], with the ticket; nothing has happened then.
    pub fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        match (&publication.destination, &self.kafka, &self.sqs) {
            (Destination::Kafka(_), Some(kafka), _) => kafka.publish(publication, ticket),
            (Destination::Sqs(_), _, Some(sqs)) => sqs.publish(publication, ticket),
            (destination, ..) => {
                // The configuration is checked for this; a message that comes here all the same is held, not lost.
                let text = format!("{destination} has no broker in the configuration");
                ticket.settle(Err(Refusal::Unavailable(text.into())));
                Ok(())
            }
        }
    }

    /// Waits until every publication has been answered, at most `limit`. Returns how many have not been.
    pub async fn flush(self, limit: Duration) -> usize {
        let unanswered = match &self.kafka {
            Some(kafka) => kafka.flush(limit).await,
            None => 0,
        };
        if let Some(sqs) = self.sqs.and_then(Arc::into_inner) {
            sqs.close().await;
        }
        unanswered
    }
}

/// The duty to say what became of one publication.
///
/// It is never lost: dropped without a word, it says [`Refusal::Unavailable`].
#[derive(Debug)]
#[must_use = "a publication waits for it"]
pub struct Ticket {
    flow: Sender<Event>,
    delivery: DeliveryId,
    index: u32,
    settled: bool,
}

impl Ticket {
    /// A ticket for publication `index` of `delivery`. `flow` must have room for one event for each ticket that is not
    /// settled: a ticket does not wait.
    pub fn new(flow: Sender<Event>, delivery: DeliveryId, index: u32) -> Self {
        Self { flow, delivery, index, settled: false }
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
        self.say(result);
    }

    fn say(&mut self, result: Result<(), Refusal>) {
        self.settled = true;
        let (delivery, index) = (self.delivery, self.index);
        let event = match result {
            Ok(()) => Event::Durable { delivery, index },
            Err(refusal) => Event::NotDurable { delivery, index, refusal },
        };
        if let Err(TrySendError::Full(_)) = self.flow.try_send(event) {
            tracing::error!(?delivery, index, "the flow has no room for what became of its publication");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.say(Err(Refusal::Unavailable("the sink let the publication go".into())));
        }
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
        assert!(matches!(events.recv().await, Some(Event::Durable { index: 3, .. })));
        let Some(Event::NotDurable { index: 4, refusal: Refusal::Unavailable(_), .. }) = events.recv().await else {
            panic!("nothing was said");
        };
        assert!(events.recv().await.is_none(), "each says one thing");
    }
}
