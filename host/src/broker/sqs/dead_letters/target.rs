//! Sends copies of letters to queues.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_sqs::Client;
use cofferdam_core::event::Refusal;
use cofferdam_core::output::Destination;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::broker::sqs::sink::{Config, Sqs};
use crate::dead_letters::Error;
use crate::dead_letters::outlet::{Copy, Target};
use crate::sink::{Busy, Sink, Ticket};

/// Writes to any queue.
pub struct ToQueues {
    client: Client,
    queues: HashMap<Arc<str>, Sqs>,
}

impl ToQueues {
    /// Creates a target that uses this client.
    pub fn new(client: Client) -> Self {
        Self { client, queues: HashMap::new() }
    }
}

impl Target for ToQueues {
    fn find<'a>(&'a mut self, destination: &'a Destination) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let name = &destination.name;
            let sink = Sqs::connect(Config::new(self.client.clone()), [Arc::clone(name)]).await?;
            self.queues.insert(Arc::clone(name), sink);
            Ok(())
        }
        .boxed()
    }

    fn publish(&self, copy: &Copy, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        let destination = &copy.publication.destination;
        match self.queues.get(&destination.name) {
            Some(queue) => queue.publish(&copy.publication, ticket),
            None => {
                ticket.settle(Err(Refusal::Unavailable(format!("{destination} was not found").into())));
                Ok(())
            }
        }
    }
}
