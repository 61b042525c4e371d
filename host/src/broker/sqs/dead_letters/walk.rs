//! One pass through a queue, which returns each letter that can be received once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cofferdam_core::message::Position;

use super::{Error, Held, Looked, Queue};
use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::queue;

/// The number of consecutive empty responses that end the pass. A single one may be accidental on a distributed queue.
const EMPTY: u32 = 2;

/// A pass through a queue. Kept letters are hidden until [`Walk::end`].
pub(super) struct Walk<'a> {
    queue: &'a Queue,
    /// The largest number of letters in a batch.
    pub(super) most: usize,
    seen: u64,
    /// Receipt handles of kept letters by message id; the newest for each.
    kept: HashMap<Box<str>, Arc<str>>,
    /// Message ids of deleted letters: a standard queue may deliver a deleted message again.
    gone: HashSet<Box<str>>,
    empty: u32,
    /// Letters that were received again since the last new letter.
    stale: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(queue: &'a Queue) -> Self {
        Self { queue, most: MOST, seen: 0, kept: HashMap::new(), gone: HashSet::new(), empty: 0, stale: 0 }
    }

    /// Returns letters that were not seen before; `None` at the end. The caller must keep or forget each of them.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Held>>, Error> {
        while self.empty < EMPTY && self.stale <= self.kept.len() + MOST {
            let received = self.queue.receive(self.most).await?;
            self.empty = if received.is_empty() { self.empty + 1 } else { 0 };
            let mut fresh = Vec::with_capacity(received.len());
            for held in received {
                let id = id(&held);
                if let Some(receipt) = self.kept.get_mut(&id) {
                    // The visibility timeout of the letter had ended; this receive has hidden it again.
                    *receipt = held.receipt;
                    self.stale += 1;
                } else if self.gone.contains(&id) {
                    self.queue.delete(&[held.receipt]).await;
                } else {
                    fresh.push(held);
                }
            }
            if !fresh.is_empty() {
                self.seen += fresh.len() as u64;
                self.stale = 0;
                return Ok(Some(fresh));
            }
        }
        Ok(None)
    }

    /// Keeps the letter hidden until the end of the pass.
    pub(super) fn keep(&mut self, held: Held) {
        self.kept.insert(id(&held), held.receipt);
    }

    /// Notes that the letter is deleted.
    pub(super) fn forget(&mut self, held: &Held) {
        self.gone.insert(id(held));
    }

    /// Makes all kept letters visible and returns what the pass has seen.
    pub(super) async fn end(self) -> Looked {
        let depth = queue::depth(&self.queue.client, &self.queue.queue.url).await.unwrap_or_default();
        let receipts: Vec<Arc<str>> = self.kept.into_values().collect();
        self.queue.give_back(&receipts).await;
        Looked { seen: self.seen, unseen: depth.total().saturating_sub(receipts.len() as u64) }
    }
}

fn id(held: &Held) -> Box<str> {
    match &held.found.position {
        Position::MessageId(id) => id.clone(),
        other => other.to_string().into(),
    }
}
