//! What the flow and the reader share: the partitions, and what each has to tell the other.
//!
//! One lock for all of it, so the flow sees things in the order in which they happen: what the group gives and takes
//! first, records only where nothing of that waits. Nobody holds it while a broker is asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use cofferdam_core::action::Ask;
use cofferdam_core::event::{Assignment, Event, Partition};
use cofferdam_core::ids::CommitPosition;

use super::bell::Bell;
use super::holding::{Balance, Held};
use super::membership::Losses;
use crate::kafka::waker::Waker;

/// Commits that may wait for the reader.
const COMMITS: usize = 65_536;
/// Events beyond which no more commits are taken on: each will be one more.
const OUTBOX: usize = 1_024;

/// The flow's end and the reader's end hold it together.
pub(super) struct Shared {
    state: Mutex<State>,
    bell: Arc<Bell>,
    reader: Arc<Waker>,
    /// Once the consumer is to end: when it has to have left.
    closing: OnceLock<Instant>,
}

/// What is under the lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) held: Held,
    /// Events that are not records. Records are not taken before it is empty.
    pub(super) outbox: VecDeque<Event>,
    balance: Balance,
    asks: Asks,
    losses: Losses,
    /// The reader has gone: no event will follow.
    ended: bool,
}

/// What the reader was asked since its last look.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// In the order in which they were asked.
    pub(super) commits: Vec<CommitPosition>,
    /// Partitions to let go, with what is to be committed before.
    pub(super) give_ups: BTreeMap<Partition, Option<CommitPosition>>,
    /// Partitions to begin anew with.
    pub(super) rereads: Vec<Partition>,
    /// Commits that found no room.
    pub(super) refused: Vec<CommitPosition>,
}

impl Shared {
    pub(super) fn new(reader: Arc<Waker>, losses: Losses) -> Self {
        let state = State { losses, ..State::default() };
        Self { state: Mutex::new(state), bell: Arc::default(), reader, closing: OnceLock::new() }
    }

    /// To be rung when there are records.
    pub(super) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// The reader's way in. The flow is woken where there is something for it to hear.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        let is_news = state.ended || !state.outbox.is_empty();
        drop(state);
        if is_news {
            self.bell.ring();
        }
        result
    }

    /// Tells the flow what has happened.
    pub(super) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        self.with(|state| state.outbox.extend(events));
    }

    /// Carries out what the flow asks of its partitions, and leaves the rest for the reader.
    pub(super) fn ask(&self, ask: Ask) {
        let mut state = self.lock();
        let is_for_reader = state.ask(ask);
        drop(state);
        if is_for_reader {
            self.reader.wake();
        } else {
            self.bell.remember();
        }
    }

    /// The next event; `None` when the reader has gone and all was heard.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Event>> {
        while self.bell.has_rung(context) {
            let mut state = self.lock();
            let was_full = state.is_full();
            let event = state.next();
            if event.is_none() && !state.ended {
                continue;
            }
            let has_room = was_full && !state.is_full();
            drop(state);
            self.bell.remember();
            if has_room {
                self.reader.wake();
            }
            return Poll::Ready(event);
        }
        Poll::Pending
    }

    /// The consumer is to end, and to have left the group by then.
    pub(super) fn close(&self, until: Instant) {
        // The first one to say so waits for it.
        let _ = self.closing.set(until);
        self.reader.wake();
    }

    /// When the consumer has to have left, once it is to end.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.closing.get().copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What was asked since the last call; nothing while the flow has not heard of what was asked before.
    pub(super) fn take_asks(&mut self) -> Asks {
        if self.is_full() { Asks::default() } else { std::mem::take(&mut self.asks) }
    }

    /// The flow is to hear that partitions are gone without having been given up.
    pub(super) fn lose(&mut self, partitions: Vec<Partition>) {
        self.losses.count();
        self.outbox.push_back(Event::Lost(partitions));
    }

    /// Nobody reads any more, and nothing is held.
    pub(super) fn end(&mut self) -> Held {
        self.ended = true;
        std::mem::take(&mut self.held)
    }

    fn is_full(&self) -> bool {
        self.outbox.len() >= OUTBOX
    }

    /// Whether it is something for the reader.
    fn ask(&mut self, ask: Ask) -> bool {
        let Asks { commits, give_ups, rereads, refused } = &mut self.asks;
        match ask {
            Ask::Grant { messages, bytes } => self.balance.grant(messages.into(), bytes),
            Ask::Pause(partition) => self.held.pause(&partition, true),
            Ask::Resume(partition) => self.held.pause(&partition, false),
            Ask::Commit(positions) => {
                let has_room = commits.len() + positions.len() <= COMMITS;
                if has_room { commits } else { refused }.extend(positions);
                return true;
            }
            Ask::Transacted(positions) => {
                positions.iter().for_each(|position| self.held.committed(&position.partition, position.offset));
            }
            Ask::GiveUp { partition, commit } => {
                give_ups.insert(partition, commit);
                return true;
            }
            Ask::Reread(partition) => {
                rereads.push(partition);
                return true;
            }
            Ask::Delete { .. } | Ask::Extend { .. } | Ask::Release { .. } => {
                tracing::error!(?ask, "a Kafka source does not support this command");
            }
        }
        false
    }

    /// What happened first; then records, a batch of each partition in turn, within the grant.
    fn next(&mut self) -> Option<Event> {
        if self.outbox.is_empty() {
            let Self { held, balance, .. } = self;
            let (partition, taken) = held.take_in_turn(balance)?;
            if taken.begins_anew {
                tracing::warn!(topic = %partition.topic, partition = partition.number, "the offsets of the partition start anew: reading it from the start");
                self.lose(vec![partition.clone()]);
                let identity = self.held.identity(&partition);
                let assignment = Assignment { identity, ..Assignment::new(partition.clone()) };
                self.outbox.push_back(Event::Assigned(vec![assignment]));
            }
            if !taken.records.is_empty() {
                return Some(Event::Records { partition, records: taken.records });
            }
        }
        let event = self.outbox.pop_front();
        if let Some(Event::Assigned(assigned)) = &event {
            // A pause that was asked for before is for an assignment that is gone.
            assigned.iter().for_each(|assignment| self.held.pause(&assignment.partition, false));
        }
        event
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("closing", &self.closing).finish_non_exhaustive()
    }
}
