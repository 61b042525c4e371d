//! The SQS sink: sends publications as messages, up to ten in one call.
//!
//! ```text
//! publish ──► entry (written and checked at once) ──► one queue of jobs per destination ──► sender: calls ──► tickets
//! ```
//!
//! On a FIFO queue, messages of one group are sent one after the other: the next message is sent when the one before is
//! settled, however many attempts that takes. Messages of different groups share calls and may overtake each other.
//! Delivery is at least once: a call whose response was lost is repeated, and a FIFO queue suppresses the repeat by its
//! deduplication id. A publication that must be sent at most once (`Ticket::is_sent_once`) is not repeated: if it may
//! have arrived, it is refused as unavailable at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use cofferdam_core::event::Refusal;
use cofferdam_core::output::Publication;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::broker::sqs::queue::{Error, Queue};
use crate::sink::{Busy, Sink, Ticket};

use job::Job;
use sender::Sender;
use unanswered::Unanswered;

mod call;
mod entry;
mod job;
mod sender;
#[cfg(test)]
mod tests;
mod unanswered;

/// The settings of the sink.
#[derive(Debug, Clone)]
pub struct Config {
    /// The client to use.
    pub client: Client,
    /// How many publications may wait for each queue, in addition to those that are being sent; at least 1.
    pub capacity: usize,
    /// How long a publication is retried before it is refused as unavailable. `None` retries until the queue accepts
    /// it. A route uses `None`, so that nothing of a group is sent behind a refused message.
    pub limit: Option<Duration>,
}

impl Config {
    /// Creates the default settings: 1024 waiting publications for each queue, and a limit of 30 s for each
    /// publication.
    pub fn new(client: Client) -> Self {
        Self { client, capacity: 1024, limit: Some(Duration::from_secs(30)) }
    }
}

/// The queues that routes write to. Dropping the sink refuses all unsent publications; [`Sqs::close`] sends them first.
#[derive(Debug)]
pub struct Sqs {
    queues: HashMap<Arc<str>, Outlet>,
    limit: Option<Duration>,
    senders: JoinSet<()>,
    unanswered: Unanswered,
}

/// A queue and the channel to its sender.
#[derive(Debug)]
struct Outlet {
    queue: Arc<Queue>,
    jobs: mpsc::Sender<Job>,
}

impl Sqs {
    /// Resolves these queues. The sink writes to no others.
    ///
    /// # Errors
    /// The [`Error`] of the first queue that cannot be used.
    pub async fn connect(config: Config, queues: impl IntoIterator<Item = Arc<str>>) -> Result<Self, Error> {
        let resolve = |name: Arc<str>| {
            let client = &config.client;
            async move { Ok((Queue::resolve(client, &name).await?, name)) }
        };
        let found = try_join_all(queues.into_iter().map(resolve)).await?;
        let mut senders = JoinSet::new();
        let mut outlets = HashMap::new();
        for (queue, name) in found {
            if outlets.contains_key(&name) {
                continue;
            }
            let queue = Arc::new(queue);
            let (jobs, waiting) = mpsc::channel(config.capacity.max(1));
            senders.spawn(Sender::new(config.client.clone(), queue.clone(), waiting).run());
            outlets.insert(name, Outlet { queue, jobs });
        }
        Ok(Self { queues: outlets, limit: config.limit, senders, unanswered: Unanswered::default() })
    }

    /// Sends the waiting publications, for at most `limit`. Refuses the rest as unavailable and returns their number.
    pub async fn close(self, limit: Duration) -> usize {
        let Self { queues, mut senders, unanswered, .. } = self;
        drop(queues);
        let finish = async { while senders.join_next().await.is_some() {} };
        if timeout(limit, finish).await.is_err() {
            tracing::warn!(queues = senders.len(), "flush_limit exceeded: publications were not sent");
        }
        let left = unanswered.none(Duration::ZERO).await;
        senders.shutdown().await;
        left
    }
}

impl Sink for Sqs {
    /// Publishes to a queue that was passed to [`Sqs::connect`]. Returns [`Busy`] if [`Config::capacity`] publications
    /// already wait for this queue.
    fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        let name = &publication.destination.name;
        let Some(outlet) = self.queues.get(name) else {
            ticket.settle(Err(Refusal::Unavailable(format!("the queue `{name}` was not connected").into())));
            return Ok(());
        };
        let place = match outlet.jobs.try_reserve() {
            Ok(place) => place,
            Err(TrySendError::Full(())) => return Err((ticket, Busy)),
            Err(TrySendError::Closed(())) => {
                ticket.settle(Err(Refusal::Unavailable("the sink has ended".into())));
                return Ok(());
            }
        };
        match entry::write(&outlet.queue, publication) {
            Ok(entry) => {
                let until = self.limit.map(|limit| Instant::now() + limit);
                place.send(Job { entry, ticket, until, _counted: self.unanswered.count() });
            }
            Err(refusal) => ticket.settle(Err(refusal)),
        }
        Ok(())
    }

    fn flush(&self, limit: Duration) -> BoxFuture<'_, usize> {
        self.unanswered.none(limit).boxed()
    }

    fn close(self: Box<Self>, limit: Duration) -> BoxFuture<'static, usize> {
        Sqs::close(*self, limit).boxed()
    }
}
