//! Where copies of letters, and receipts, leave: the sinks of the host, without a host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use tokio::sync::mpsc;

use super::Error;
use super::pace::Pace;
use super::replay::Copy;
use crate::clock::Clock;
use crate::kafka::topics::Topics;
use crate::sink::{self, Ticket};

/// How long to wait where a sink has no room.
const BUSY: Duration = Duration::from_millis(10);

/// Writes to any topic and queue.
pub struct Outlet {
    kafka: Option<(sink::kafka::Kafka, Topics)>,
    sqs: Option<aws_sdk_sqs::Client>,
    topics: HashMap<Arc<str>, Topic>,
    queues: HashMap<Arc<str>, sink::sqs::Sqs>,
    /// Destinations that were asked for in vain, and why.
    gone: HashMap<Destination, Box<str>>,
}

/// A topic that was asked for.
#[derive(Clone, Copy)]
struct Topic {
    partitions: i32,
    /// Before this time a timestamp is so old that the broker deletes its record.
    oldest: Time,
}

/// A copy is left at least so long to whoever reads it.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

impl Outlet {
    /// An outlet to these brokers.
    pub fn new(kafka: Option<(sink::kafka::Kafka, Topics)>, sqs: Option<aws_sdk_sqs::Client>) -> Self {
        Self { kafka, sqs, topics: HashMap::new(), queues: HashMap::new(), gone: HashMap::new() }
    }

    /// Finds a destination, so that copies are not sent to one that is not there.
    ///
    /// # Errors
    /// Where it is not there, or cannot be asked.
    pub async fn find(&mut self, destination: &Destination) -> Result<(), Error> {
        let no_broker = || Error::NoBroker(destination.clone());
        match destination {
            Destination::Kafka(name) if !self.topics.contains_key(name) => {
                let (_, topics) = self.kafka.as_ref().ok_or_else(no_broker)?;
                let partitions = topics.partitions(name).await?.ok_or_else(|| Error::NoTopic(Arc::clone(name)))?;
                let retention = topics.retention(name).await;
                // Half of a short one: then it is as much that is gone as what is left.
                let kept = |retention: Duration| retention.saturating_sub(LEFT).max(retention / 2);
                let oldest = retention.map_or(Time::default(), |retention| Clock::set().now().before(kept(retention)));
                self.topics.insert(Arc::clone(name), Topic { partitions, oldest });
            }
            Destination::Sqs(name) if !self.queues.contains_key(name) => {
                let client = self.sqs.clone().ok_or_else(no_broker)?;
                let sink = sink::sqs::Sqs::connect(sink::sqs::Config::new(client), [Arc::clone(name)]);
                self.queues.insert(Arc::clone(name), sink.await?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Finds a destination that a letter names. Where it is not there, or cannot be used, `Err` says why, once and for all:
    /// the letters of other destinations are not concerned.
    ///
    /// # Errors
    /// Where its broker cannot be asked.
    pub(super) async fn find_named(&mut self, destination: &Destination) -> Result<Result<(), Box<str>>, Error> {
        if let Some(reason) = self.gone.get(destination) {
            return Ok(Err(reason.clone()));
        }
        match self.find(destination).await {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.is_of_one_destination() => {
                let reason: Box<str> = error.to_string().into();
                self.gone.insert(destination.clone(), reason.clone());
                Ok(Err(reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a record with this timestamp would soon be deleted there by the broker, since it is too old.
    pub(super) fn is_too_old(&self, destination: &Destination, timestamp_ms: Option<u64>) -> bool {
        let Destination::Kafka(name) = destination else { return false };
        let oldest = self.topics.get(name).map_or(Time::default(), |topic| topic.oldest);
        timestamp_ms.is_some_and(|millis| Time::from_millis(millis) < oldest)
    }

    /// Sends copies in their order, each in its turn, and waits for all. Their destinations were found before.
    pub(super) async fn send(&self, copies: &[Copy], pace: &mut Pace) -> Vec<Result<(), Refusal>> {
        let (flow, mut events) = mpsc::channel(copies.len().max(1));
        for (index, copy) in (0..).zip(copies) {
            pace.turn().await;
            let mut ticket = Ticket::new(flow.clone(), DeliveryId::default(), index);
            while let Err((back, sink::Busy)) = self.publish(copy, ticket) {
                ticket = back;
                tokio::time::sleep(BUSY).await;
            }
        }
        drop(flow);
        let mut results: Vec<Option<Result<(), Refusal>>> = vec![None; copies.len()];
        while let Some(answers) = events.recv().await {
            for event in answers {
                let (index, result) = match event {
                    Event::Durable { index, .. } => (index, Ok(())),
                    Event::NotDurable { index, refusal, .. } => (index, Err(refusal)),
                    _ => continue,
                };
                if let Some(slot) = results.get_mut(index as usize) {
                    *slot = Some(result);
                }
            }
        }
        let unsaid = || Err(Refusal::Unavailable("no answer from the sink".into()));
        results.into_iter().map(|result| result.unwrap_or_else(unsaid)).collect()
    }

    fn publish(&self, copy: &Copy, ticket: Ticket) -> Result<(), (Ticket, sink::Busy)> {
        let destination = &copy.publication.destination;
        match (destination, &self.kafka, self.queues.get(destination.name())) {
            (Destination::Kafka(name), Some((kafka, _)), _) => {
                // The topic may have been made anew with fewer partitions.
                let there = self.topics.get(name).map_or(0, |topic| topic.partitions);
                let partition = copy.partition.filter(|partition| *partition < there);
                kafka.publish_to(&copy.publication, partition, ticket)
            }
            (Destination::Sqs(_), _, Some(queue)) => queue.publish(&copy.publication, ticket),
            (destination, ..) => {
                ticket.settle(Err(Refusal::Unavailable(format!("{destination} was not found").into())));
                Ok(())
            }
        }
    }
}
