//! A dead-letter queue: what is looked at is hidden for a while, what is dealt with is deleted.

mod calls;
mod purge;
mod replay;
mod walk;

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use cofferdam_core::dead_letter::Letter;
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;

use super::{Error, Found, Looked, Next, Replays};
use crate::aws::fault::Fault;
use crate::aws::queue;
use crate::source::sqs::message;
use walk::Walk;

/// A queue of dead letters.
pub struct Queue {
    client: Client,
    queue: queue::Queue,
    /// The queue that hands its messages over to this one, where there is exactly one.
    source: Option<Arc<str>>,
    about: u64,
}

/// A letter that is ours for a while.
#[derive(Debug)]
struct Held {
    found: Found,
    receipt: Arc<str>,
}

impl Queue {
    /// Finds the queue, and the queues whose redrive policy names it.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn open(client: Client, name: &str) -> Result<Self, Error> {
        let queue = queue::Queue::resolve(&client, name).await?;
        let about = queue::depth(&client, name).await?.total();
        // Not every server knows the call, and not everybody may make it; messages may name their source themselves.
        let sources = client.list_dead_letter_source_queues().queue_url(&*queue.url).send().await;
        let sources = sources.map(|answer| answer.queue_urls).unwrap_or_default();
        let source = match &*sources {
            [only] => only.trim_end_matches('/').rsplit('/').next().map(Arc::from),
            _ => None,
        };
        Ok(Self { client, queue, source, about })
    }

    /// After how many receives, and to which queue, this one hands its messages over itself: a look is a receive.
    pub fn hands_over(&self) -> Option<(u32, &str)> {
        Some((self.queue.max_receives?, self.queue.redrive.as_deref()?))
    }

    pub(super) fn about(&self) -> u64 {
        self.about
    }

    /// Shows every letter that can be received, and gives all of them back.
    pub(super) async fn look(&self, look: &mut dyn FnMut(Found) -> Next) -> Result<Looked, Error> {
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

    /// The letter of a message; `None` where the server gave no receipt.
    fn held(&self, mut message: Message) -> Option<Held> {
        use aws_sdk_sqs::types::MessageSystemAttributeName::DeadLetterQueueSourceArn;
        let arn = message.attributes.as_mut().and_then(|system| system.remove(&DeadLetterQueueSourceArn));
        let source = arn.as_deref().and_then(|arn| arn.rsplit(':').next()).map(Arc::from);
        let leased = message::leased(message, &self.queue.name, Time::default())?;
        let stored = leased.record.timestamp_ms.map(Time::from_millis);
        let position = leased.record.position.clone();
        // What a queue moved itself was written by its producer: nothing in it is from a host.
        let mut letter = match source {
            Some(_) => Letter::without_reasons(&leased.record),
            None => Letter::read(&leased.record),
        };
        let mut redriven = None;
        if letter.reasons.is_none() {
            redriven = source.or_else(|| self.source.clone());
            if let Some(source) = &redriven {
                letter.original.source = Arc::clone(source);
            }
        }
        let at = Destination::Sqs(Arc::clone(&self.queue.name));
        let found = Found { at, position, stored, letter, redriven, replays: Replays::default() };
        Some(Held { found, receipt: leased.receipt })
    }

    fn failed(&self, doing: &'static str, fault: &Fault) -> Error {
        Error::Sqs { queue: Arc::clone(&self.queue.name), doing, reason: fault.to_string().into() }
    }
}
