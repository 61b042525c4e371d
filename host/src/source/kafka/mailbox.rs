//! What the flow asks, until the reader has time for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_core::action::{Ask, Position};
use cofferdam_core::event::Partition;

use crate::kafka::waker::Waker;

/// Commits that may wait for the reader.
const COMMITS: usize = 65_536;

/// Written by the flow, emptied by the reader.
#[derive(Debug)]
pub(super) struct Mailbox {
    asks: Mutex<Asks>,
    closing: AtomicBool,
    /// The reader found the channel full and wants to know when there is room again.
    blocked: AtomicBool,
    waker: Arc<Waker>,
}

/// What was asked since the last look.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// Messages granted.
    pub(super) messages: u64,
    /// Bytes granted.
    pub(super) bytes: u64,
    /// The last word for each partition.
    pub(super) paused: BTreeMap<Partition, bool>,
    /// In the order in which they were asked.
    pub(super) commits: Vec<Position>,
    /// Partitions to let go, with what is to be committed before.
    pub(super) give_ups: BTreeMap<Partition, Option<Position>>,
    /// Commits that found no room.
    pub(super) refused: Vec<Position>,
}

impl Mailbox {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { asks: Mutex::default(), closing: AtomicBool::new(false), blocked: AtomicBool::new(false), waker }
    }

    /// Leaves an ask and wakes the reader.
    pub(super) fn put(&self, ask: Ask) {
        let mut asks = self.lock();
        match ask {
            Ask::Grant { messages, bytes } => {
                asks.messages = asks.messages.saturating_add(messages.into());
                asks.bytes = asks.bytes.saturating_add(bytes);
            }
            Ask::Pause(partition) => drop(asks.paused.insert(partition, true)),
            Ask::Resume(partition) => drop(asks.paused.insert(partition, false)),
            Ask::Commit(positions) if asks.commits.len() + positions.len() > COMMITS => asks.refused.extend(positions),
            Ask::Commit(positions) => asks.commits.extend(positions),
            Ask::GiveUp { partition, commit } => drop(asks.give_ups.insert(partition, commit)),
            Ask::Delete { .. } | Ask::Extend { .. } | Ask::Release { .. } => {
                tracing::error!(?ask, "asked of a kafka source what only a queue can do");
            }
        }
        drop(asks);
        self.waker.wake();
    }

    /// All that was asked since the last call.
    pub(super) fn take(&self) -> Asks {
        std::mem::take(&mut *self.lock())
    }

    /// The consumer is to end.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the consumer is to end.
    pub(super) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The reader wants to be woken when the channel has room. It has to look once more after this call.
    pub(super) fn block(&self) {
        self.blocked.store(true, Ordering::SeqCst);
    }

    /// The channel has room.
    pub(super) fn room(&self) {
        if self.blocked.load(Ordering::Relaxed) && self.blocked.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asks> {
        // Nothing in here leaves the asks half changed.
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
