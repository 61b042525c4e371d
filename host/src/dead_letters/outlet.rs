//! Writes copies of dead letters, and replay records: the sinks of the host, used without a host.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::{Destination, Publication};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::Error;
use super::pace::Pace;
use crate::sink::{self, Ticket};

/// A copy of a dead letter for its source, or a replay record.
pub struct Copy {
    /// The publication to write.
    pub publication: Publication,
    /// The partition of the original, if it is written to its own topic.
    pub partition: Option<i32>,
}

/// Delay before a full sink is tried again.
const BUSY: Duration = Duration::from_millis(10);

/// Writes to one broker.
pub trait Target: Send {
    /// Checks that a destination exists before copies are sent to it. The error says that it does not exist, or that the
    /// broker cannot be asked.
    fn find<'a>(&'a mut self, destination: &'a Destination) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether the broker would soon delete a record with this timestamp from the destination, because it is too old.
    fn is_too_old(&self, _destination: &Destination, _timestamp_ms: Option<u64>) -> bool {
        false
    }

    /// Starts to write a copy to a destination that was found.
    ///
    /// # Errors
    /// [`Busy`](sink::Busy) with the ticket, if the sink is full. The call had no effect then.
    fn publish(&self, copy: &Copy, ticket: Ticket) -> Result<(), (Ticket, sink::Busy)>;
}

/// Writes to topics and queues of all brokers.
pub struct Outlet {
    targets: Vec<(&'static str, Box<dyn Target>)>,
    found: HashSet<Destination>,
    /// Destinations that were not found, and why.
    gone: HashMap<Destination, Box<str>>,
}

impl Outlet {
    /// Makes an outlet to these brokers, by name.
    pub fn new(targets: Vec<(&'static str, Box<dyn Target>)>) -> Self {
        Self { targets, found: HashSet::new(), gone: HashMap::new() }
    }

    /// Checks that a destination exists before copies are sent to it.
    ///
    /// # Errors
    /// The destination does not exist, or the broker cannot be asked.
    pub async fn find(&mut self, destination: &Destination) -> Result<(), Error> {
        if !self.found.contains(destination) {
            let target = self.targets.iter_mut().find(|(broker, _)| *broker == destination.broker);
            let (_, target) = target.ok_or_else(|| Error::NoBroker(destination.clone()))?;
            target.find(destination).await?;
            self.found.insert(destination.clone());
        }
        Ok(())
    }

    fn target(&self, destination: &Destination) -> Option<&dyn Target> {
        let found = self.found.contains(destination);
        let target = self.targets.iter().find(|(broker, _)| found && *broker == destination.broker);
        target.map(|(_, target)| &**target)
    }

    /// Checks that a destination exists that a dead letter names. The inner `Err` says why it does not exist or cannot be
    /// used. That result is kept, and does not concern dead letters of other destinations.
    ///
    /// # Errors
    /// The broker cannot be asked.
    pub(crate) async fn find_named(&mut self, destination: &Destination) -> Result<Result<(), Box<str>>, Error> {
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

    /// Whether the broker would soon delete a record with this timestamp from the destination, because it is too old.
    pub(crate) fn is_too_old(&self, destination: &Destination, timestamp_ms: Option<u64>) -> bool {
        self.target(destination).is_some_and(|target| target.is_too_old(destination, timestamp_ms))
    }

    /// Sends copies in order, at the given rate, and waits for all answers. Their destinations were found before.
    pub(crate) async fn send(&self, copies: &[Copy], pace: &mut Pace) -> Vec<Result<(), Refusal>> {
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
        match self.target(destination) {
            Some(target) => target.publish(copy, ticket),
            None => {
                ticket.settle(Err(Refusal::Unavailable(format!("{destination} was not found").into())));
                Ok(())
            }
        }
    }
}
