//! Once through a queue: every letter that can be received, each once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cofferdam_core::message::Position;

use super::{Error, Held, Looked, Queue};
use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::queue;

/// Empty answers in a row that are the end: one can be an accident of a queue with many servers.
const EMPTY: u32 = 2;

/// A walk through a queue. What is kept is hidden until [`Walk::end`].
pub(super) struct Walk<'a> {
    queue: &'a Queue,
    /// Most letters of a batch.
    pub(super) most: usize,
    seen: u64,
    /// Receipts of what is kept, by message id: the newest of each.
    kept: HashMap<Box<str>, Arc<str>>,
    /// What was deleted: a queue without order may give it once more.
    gone: HashSet<Box<str>>,
    empty: u32,
    /// Letters that came again since the last new one.
    stale: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(queue: &'a Queue) -> Self {
        Self { queue, most: MOST, seen: 0, kept: HashMap::new(), gone: HashSet::new(), empty: 0, stale: 0 }
    }

    /// Letters that were not seen before; `None` at the end. Each has to be kept or forgotten.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Held>>, Error> {
        while self.empty < EMPTY && self.stale <= self.kept.len() + MOST {
            let received = self.queue.receive(self.most).await?;
            self.empty = if received.is_empty() { self.empty + 1 } else { 0 };
            let mut fresh = Vec::with_capacity(received.len());
            for held in received {
                let id = id(&held);
                if let Some(receipt) = self.kept.get_mut(&id) {
                    // It was hidden for long enough, and is again now.
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

    /// Hides it until the end.
    pub(super) fn keep(&mut self, held: Held) {
        self.kept.insert(id(&held), held.receipt);
    }

    /// It is deleted.
    pub(super) fn forget(&mut self, held: &Held) {
        self.gone.insert(id(held));
    }

    /// Gives everything back that was kept, and says what there was.
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
