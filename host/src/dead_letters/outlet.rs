//! Where copies of letters, and receipts, leave: the sinks of the host, without a host.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::{Destination, Publication};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::Error;
use super::pace::Pace;
use crate::sink::{self, Ticket};

/// A letter on its way back, or a receipt.
pub struct Copy {
    /// What is written.
    pub publication: Publication,
    /// The partition it came from, on the topic it came from.
    pub partition: Option<i32>,
}

/// How long to wait where a sink has no room.
const BUSY: Duration = Duration::from_millis(10);

/// The way out to one broker.
pub trait Target: Send {
    /// Finds a destination, so that copies are not sent to one that is not there. The error says that it is not there, or
    /// cannot be asked.
    fn find<'a>(&'a mut self, destination: &'a Destination) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether the broker would soon delete a record with this timestamp there, since it is too old.
    fn is_too_old(&self, _destination: &Destination, _timestamp_ms: Option<u64>) -> bool {
        false
    }

    /// Takes a copy on its way to a destination that was found.
    ///
    /// # Errors
    /// [`Busy`](sink::Busy), with the ticket; nothing has happened then.
    fn publish(&self, copy: &Copy, ticket: Ticket) -> Result<(), (Ticket, sink::Busy)>;
}

/// Writes to any topic and queue.
pub struct Outlet {
    targets: Vec<(&'static str, Box<dyn Target>)>,
    found: HashSet<Destination>,
    /// Destinations that were asked for in vain, and why.
    gone: HashMap<Destination, Box<str>>,
}

impl Outlet {
    /// An outlet to these brokers, by their names.
    pub fn new(targets: Vec<(&'static str, Box<dyn Target>)>) -> Self {
        Self { targets, found: HashSet::new(), gone: HashMap::new() }
    }

    /// Finds a destination, so that copies are not sent to one that is not there.
    ///
    /// # Errors
    /// Where it is not there, or cannot be asked.
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

    /// Finds a destination that a letter names. Where it is not there, or cannot be used, `Err` says why, once and for all:
    /// the letters of other destinations are not concerned.
    ///
    /// # Errors
    /// Where its broker cannot be asked.
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

    /// Whether a record with this timestamp would soon be deleted there by the broker, since it is too old.
    pub(crate) fn is_too_old(&self, destination: &Destination, timestamp_ms: Option<u64>) -> bool {
        self.target(destination).is_some_and(|target| target.is_too_old(destination, timestamp_ms))
    }

    /// Sends copies in their order, each in its turn, and waits for all. Their destinations were found before.
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
