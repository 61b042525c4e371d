//! A dead-letter queue. Letters that are read are hidden for a while; letters that are replayed or purged are deleted.

mod calls;
mod purge;
mod replay;
mod target;
mod walk;

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use cofferdam_core::dead_letter::Letter;
use cofferdam_core::output::Layout;
use cofferdam_core::time::Time;
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use tokio_util::sync::CancellationToken;

use crate::broker::sqs::fault::Fault;
use crate::broker::sqs::queue;
use crate::broker::sqs::source::message;
use crate::broker::{self, sqs};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::outlet::Outlet;
use crate::dead_letters::purge::Survey;
use crate::dead_letters::replay::{Order, Report};
use crate::dead_letters::{Backlog, DeadLetters, Error, Found, Looked, Next, Replays};
pub use target::ToQueues;
use walk::Walk;

/// A queue of dead letters.
pub struct Queue {
    client: Client,
    queue: queue::Queue,
    /// The queue whose redrive policy moves messages to this queue, if there is exactly one.
    source: Option<Arc<str>>,
    about: u64,
}

/// A letter that this process has received and that is hidden from others.
#[derive(Debug)]
struct Held {
    found: Found,
    receipt: Arc<str>,
}

impl Queue {
    /// Resolves the queue, and the queues whose redrive policy names it.
    ///
    /// # Errors
    /// [`Error::Destination`], [`Error::Broker`].
    pub async fn open(client: Client, name: &str) -> Result<Self, Error> {
        let queue = queue::Queue::resolve(&client, name).await?;
        let about = queue::depth(&client, name).await?.total();
        // Not every server implements this call, and the permission may be missing. Then a letter may still name its
        // source itself.
        let sources = client.list_dead_letter_source_queues().queue_url(&*queue.url).send().await;
        let sources = sources.map(|answer| answer.queue_urls).unwrap_or_default();
        let source = match &*sources {
            [only] => only.trim_end_matches('/').rsplit('/').next().map(Arc::from),
            _ => None,
        };
        Ok(Self { client, queue, source, about })
    }

    async fn shown(&self, look: &mut dyn FnMut(Found) -> Next) -> Result<Looked, Error> {
        let mut walk = Walk::new(self);
        let walked = async {
            while let Some(batch) = walk.next().await? {
                let mut next = Next::More;
                for held in batch {
                    if next == Next::More {
                        next = look(held.found.clone());
                    }
                    walk.keep(held);
                }
                if next == Next::Enough {
                    break;
                }
            }
            Ok(())
        };
        let walked = walked.await;
        let looked = walk.end().await;
        walked.map(|()| looked)
    }

    /// Converts a message to a letter; returns `None` if the server sent no receipt handle.
    fn held(&self, mut message: Message) -> Option<Held> {
        use aws_sdk_sqs::types::MessageSystemAttributeName::DeadLetterQueueSourceArn;
        let arn = message.attributes.as_mut().and_then(|system| system.remove(&DeadLetterQueueSourceArn));
        let source = arn.as_deref().and_then(|arn| arn.rsplit(':').next()).map(Arc::from);
        let leased = message::leased(message, &self.queue.name, Time::default())?;
        let stored = leased.record.timestamp_ms.map(Time::from_millis);
        let position = leased.record.position.clone();
        // The redrive policy moved this message, so its producer wrote all of it: do not trust reason headers in it.
        let mut letter = match source {
            Some(_) => Letter::without_reasons(&leased.record),
            None => Letter::read(&leased.record, Layout::Attributes),
        };
        let mut redriven = None;
        if letter.reasons.is_none() {
            redriven = source.or_else(|| self.source.clone());
            if let Some(source) = &redriven {
                letter.original.source = Arc::clone(source);
            }
        }
        let origin = broker::origin_of(&letter, sqs::NAME);
        let (at, redriven) = (sqs::queue(Arc::clone(&self.queue.name)), redriven.map(sqs::queue));
        let found = Found { at, position, stored, letter, origin, redriven, replays: Replays::default() };
        Some(Held { found, receipt: leased.receipt })
    }

    fn failed(&self, doing: &'static str, fault: &Fault) -> Error {
        Error::Broker { reason: format!("queue {}: failed to {doing}: {fault}", self.queue.name) }
    }
}

impl DeadLetters for Queue {
    /// Shows each letter that can be received, then makes all of them visible again.
    fn look<'a>(&'a self, look: &'a mut dyn FnMut(Found) -> Next) -> LocalBoxFuture<'a, Result<Looked, Error>> {
        self.shown(look).boxed_local()
    }

    fn replay<'a>(
        &'a self,
        order: &'a Order,
        outlet: &'a mut Outlet,
        stop: &'a CancellationToken,
        report: &'a mut Report,
    ) -> LocalBoxFuture<'a, Result<(), Error>> {
        self.send_back(order, outlet, stop, report).boxed_local()
    }

    fn survey<'a>(&'a self, filter: &'a Filter) -> LocalBoxFuture<'a, Result<Survey, Error>> {
        self.surveyed(filter).boxed_local()
    }

    fn purge<'a>(&'a self, filter: &'a Filter, _survey: &'a Survey) -> LocalBoxFuture<'a, Result<u64, Error>> {
        self.delete_all(filter).boxed_local()
    }

    fn about(&self) -> u64 {
        self.about
    }

    /// Looking at a letter is a receive, which counts towards `maxReceiveCount`.
    fn hands_over(&self) -> Option<(u32, &str)> {
        Some((self.queue.max_receives?, self.queue.redrive.as_deref()?))
    }
}

/// The depth of a dead-letter queue.
pub struct Fill {
    client: Client,
    queue: Arc<str>,
}

impl Fill {
    /// Creates the counter for the queue with this name.
    pub fn new(client: Client, queue: Arc<str>) -> Self {
        Self { client, queue }
    }
}

impl Backlog for Fill {
    fn letters(&self) -> BoxFuture<'_, Result<u64, Error>> {
        async { Ok(queue::depth(&self.client, &self.queue).await?.total()) }.boxed()
    }
}

impl From<queue::Error> for Error {
    fn from(error: queue::Error) -> Self {
        match error {
            queue::Error::Unreachable { .. } => Self::Broker { reason: error.to_string() },
            _ => Self::Destination { reason: error.to_string(), remedy: "" },
        }
    }
}
