//! The broker: queues in memory, connections, and publications that wait while the broker is unreachable.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use cofferdam::sink::Ticket;
use cofferdam_core::message::{Position, Record};
use cofferdam_core::output::Publication;
use tokio::sync::Notify;

/// The largest number of publications that wait while the broker is unreachable.
const WAITING: usize = 256;

/// All queues. A queue is created at its first use.
#[derive(Default)]
pub struct Store {
    state: Mutex<State>,
    /// Notified when waiting publications were answered.
    pub(super) answered: Notify,
}

#[derive(Default)]
struct State {
    is_away: bool,
    queues: HashMap<Arc<str>, Queue>,
    /// The open connections; each number is used once.
    open: BTreeSet<u64>,
    connections: u64,
    /// Sources that wait for a change.
    readers: Vec<Waker>,
    waiting: VecDeque<(u64, Publication, Ticket)>,
}

#[derive(Default)]
struct Queue {
    /// Waiting messages, by number in the order of arrival.
    ready: BTreeMap<u64, Record>,
    /// Messages held by a connection: the connection and the record, by number.
    held: BTreeMap<u64, (u64, Record)>,
    next: u64,
    deduplicated: HashSet<Box<str>>,
}

impl Store {
    /// Appends a message.
    pub fn put(&self, publication: &Publication) {
        let mut state = self.state();
        state.put(publication);
        state.wake();
    }

    /// As [`Store::put`], for the sink with this number, if there is room. Waits while the broker is unreachable.
    pub(super) fn publish(&self, sink: u64, publication: &Publication, ticket: Ticket) -> Result<(), Ticket> {
        let mut state = self.state();
        if !state.is_away {
            state.put(publication);
            state.wake();
            ticket.settle(Ok(()));
            return Ok(());
        }
        if state.waiting.len() >= WAITING {
            return Err(ticket);
        }
        state.waiting.push_back((sink, publication.clone(), ticket));
        Ok(())
    }

    /// Returns the number of waiting publications of this sink.
    pub(super) fn unanswered(&self, sink: u64) -> usize {
        self.state().waiting.iter().filter(|(of, ..)| *of == sink).count()
    }

    /// Drops the waiting publications of this sink without an answer.
    pub(super) fn withdraw(&self, sink: u64) {
        self.state().waiting.retain(|(of, ..)| *of != sink);
    }

    /// Returns a new number for a sink.
    pub(super) fn name_sink(&self) -> u64 {
        self.state().name()
    }

    /// Opens a connection; returns `None` while the broker is unreachable.
    pub(super) fn connect(&self) -> Option<u64> {
        let mut state = self.state();
        if state.is_away {
            return None;
        }
        let connection = state.name();
        state.open.insert(connection);
        Some(connection)
    }

    /// Ends a connection. Its messages return to their positions in the queue.
    pub(super) fn disconnect(&self, connection: u64) {
        self.state().end(connection);
    }

    /// Returns whether a connection is open.
    pub(super) fn is_open(&self, connection: u64) -> bool {
        self.state().open.contains(&connection)
    }

    /// Returns the first message that no connection holds, and gives it to this connection.
    pub(super) fn receive(&self, queue: &Arc<str>, connection: u64) -> Option<(u64, Record)> {
        let mut state = self.state();
        let queue = state.queues.entry(queue.clone()).or_default();
        let (number, record) = queue.ready.pop_first()?;
        queue.held.insert(number, (connection, record.clone()));
        Some((number, record))
    }

    /// Removes a message that this connection holds; returns whether it held it.
    pub(super) fn acknowledge(&self, queue: &Arc<str>, connection: u64, number: u64) -> bool {
        self.state().take(queue, connection, number).is_some()
    }

    /// Returns a message that this connection holds to its position in the queue.
    pub(super) fn give_back(&self, queue: &Arc<str>, connection: u64, number: u64) {
        let mut state = self.state();
        if let Some(record) = state.take(queue, connection, number) {
            state.queues.entry(queue.clone()).or_default().ready.insert(number, record);
            state.wake();
        }
    }

    /// Wakes this task at the next change.
    pub(super) fn wake_later(&self, waker: &Waker) {
        let mut state = self.state();
        if !state.readers.iter().any(|known| known.will_wake(waker)) {
            state.readers.push(waker.clone());
        }
    }

    /// Returns all messages of a queue in order, including held ones.
    pub fn messages(&self, queue: &str) -> Vec<Record> {
        let state = self.state();
        let Some(queue) = state.queues.get(queue) else { return Vec::new() };
        let held = queue.held.iter().map(|(number, (_, record))| (*number, record.clone()));
        let all: BTreeMap<u64, Record> = queue.ready.clone().into_iter().chain(held).collect();
        all.into_values().collect()
    }

    /// Ends all connections and refuses new ones.
    pub fn leave(&self) {
        let mut state = self.state();
        state.is_away = true;
        for connection in std::mem::take(&mut state.open) {
            state.end(connection);
        }
    }

    /// Accepts connections again, and stores the waiting publications in order.
    pub fn come_back(&self) {
        let mut state = self.state();
        state.is_away = false;
        for (_, publication, ticket) in std::mem::take(&mut state.waiting) {
            state.put(&publication);
            ticket.settle(Ok(()));
        }
        state.wake();
        self.answered.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl State {
    fn put(&mut self, publication: &Publication) {
        let name = &publication.destination.name;
        let queue = self.queues.entry(name.clone()).or_default();
        if publication.deduplication.as_ref().is_some_and(|id| !queue.deduplicated.insert(id.clone())) {
            return;
        }
        let number = queue.next;
        queue.next += 1;
        let record = Record {
            source: name.clone(),
            position: Position::MessageId(format!("{name}-{number}").into()),
            key: publication.group.as_ref().map(|group| group.to_string().into()),
            headers: publication.headers.clone(),
            payload: publication.payload.clone(),
            timestamp_ms: publication.timestamp_ms,
        };
        queue.ready.insert(number, record);
    }

    fn take(&mut self, queue: &Arc<str>, connection: u64, number: u64) -> Option<Record> {
        let held = &mut self.queues.get_mut(queue)?.held;
        held.get(&number).filter(|(of, _)| *of == connection)?;
        held.remove(&number).map(|(_, record)| record)
    }

    fn end(&mut self, connection: u64) {
        self.open.remove(&connection);
        for queue in self.queues.values_mut() {
            let back: Vec<_> = queue.held.extract_if(.., |_, (of, _)| *of == connection).collect();
            queue.ready.extend(back.into_iter().map(|(number, (_, record))| (number, record)));
        }
        self.wake();
    }

    fn name(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    fn wake(&mut self) {
        self.readers.drain(..).for_each(Waker::wake);
    }
}
