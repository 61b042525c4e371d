//! The state that flow and reader share: the partitions, and the messages between the two.
//!
//! One lock protects everything, so the flow sees events in the order in which they happen: rebalances first, and records
//! only if no event waits. No thread holds the lock while it asks a broker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use cofferdam_core::action::Ask;
use cofferdam_core::event::{Assignment, Event, Partition};
use cofferdam_core::ids::CommitPosition;

use super::holding::{Balance, Held};
use super::membership::Losses;
use super::wake_flag::WakeFlag;
use crate::broker::kafka::waker::Waker;

/// Highest number of commits that wait for the reader.
const COMMITS: usize = 65_536;
/// Highest number of events in the outbox before commits wait: each commit leads to one more event.
const OUTBOX: usize = 1_024;

/// The shared state. The flow and the reader have a reference each.
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Arc<WakeFlag>,
    reader: Arc<Waker>,
    /// The time at which the consumer must have left the group; empty before the close.
    closing: OnceLock<Instant>,
}

/// The state under the lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) held: Held,
    /// Events that are not records. Records are not taken before it is empty.
    pub(super) outbox: VecDeque<Event>,
    balance: Balance,
    asks: Asks,
    losses: Losses,
    /// Whether the reader has ended, so that no more events follow.
    ended: bool,
}

/// Requests for the reader since its last check.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// In the order in which they were asked.
    pub(super) commits: Vec<CommitPosition>,
    /// Partitions to give up, each with a last commit, if any.
    pub(super) give_ups: BTreeMap<Partition, Option<CommitPosition>>,
    /// Partitions to read again.
    pub(super) rereads: Vec<Partition>,
    /// Commits that were refused because too many wait.
    pub(super) refused: Vec<CommitPosition>,
}

impl Shared {
    pub(super) fn new(reader: Arc<Waker>, losses: Losses) -> Self {
        let state = State { losses, ..State::default() };
        Self { state: Mutex::new(state), wake: Arc::default(), reader, closing: OnceLock::new() }
    }

    /// Returns the flag to raise when there are records.
    pub(super) fn wake(&self) -> &Arc<WakeFlag> {
        &self.wake
    }

    /// Runs `work` under the lock, for the reader. Wakes the flow if there is an event for it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        let is_news = state.ended || !state.outbox.is_empty();
        drop(state);
        if is_news {
            self.wake.raise();
        }
        result
    }

    /// Adds events for the flow.
    pub(super) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        self.with(|state| state.outbox.extend(events));
    }

    /// Carries out grants and pauses at once, and leaves other requests for the reader.
    pub(super) fn ask(&self, ask: Ask) {
        let mut state = self.lock();
        let is_for_reader = state.ask(ask);
        drop(state);
        if is_for_reader {
            self.reader.wake();
        } else {
            self.wake.keep();
        }
    }

    /// Returns the next event; `None` if the reader has ended and no event is left.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Event>> {
        while self.wake.take(context) {
            let mut state = self.lock();
            let was_full = state.is_full();
            let event = state.next();
            if event.is_none() && !state.ended {
                continue;
            }
            let has_room = was_full && !state.is_full();
            drop(state);
            self.wake.keep();
            if has_room {
                self.reader.wake();
            }
            return Poll::Ready(event);
        }
        Poll::Pending
    }

    /// Asks the reader to leave the group and to end, at the latest at `until`.
    pub(super) fn close(&self, until: Instant) {
        // The first call sets the time.
        let _ = self.closing.set(until);
        self.reader.wake();
    }

    /// Returns the time at which the consumer must have left the group; `None` before the close.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.closing.get().copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is used all the same, because no panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes and returns the requests since the last call; none while the outbox is full.
    pub(super) fn take_asks(&mut self) -> Asks {
        if self.is_full() { Asks::default() } else { std::mem::take(&mut self.asks) }
    }

    /// Notes for the flow that partitions are lost without having been given up.
    pub(super) fn lose(&mut self, partitions: Vec<Partition>) {
        self.losses.count();
        self.outbox.push_back(Event::Lost(partitions));
    }

    /// Ends the state: no partition is held any more. Returns the partitions.
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

    /// Returns events of the outbox first, then records within the grant: one batch of each partition in turn.
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
            // An earlier pause belongs to an assignment that has ended.
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
