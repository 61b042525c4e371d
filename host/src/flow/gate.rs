//! Lets attempts begin one by one, for people who watch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_core::message::Record;
use cofferdam_core::outcome::{Class, Code, Failure};
use futures::FutureExt as _;
use tokio::sync::oneshot;

use crate::stage::{Passed, Stage};

/// What an attempt passes before its handler is called. Its limits count from there, so it may wait as long as people
/// like.
#[derive(Default)]
pub struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    way: Way,
    /// In the order they came.
    waiting: VecDeque<(Arc<Record>, oneshot::Sender<()>)>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    Paused,
    /// Whoever comes is sent back.
    Closed,
}

impl Gate {
    /// From now on attempts wait.
    pub fn pause(&self) {
        let mut state = self.lock();
        if state.way == Way::Open {
            state.way = Way::Paused;
        }
    }

    /// Lets all that wait begin, and those that come.
    pub fn resume(&self) {
        let mut state = self.lock();
        if state.way == Way::Paused {
            state.way = Way::Open;
            for (_, go) in state.waiting.drain(..) {
                // It may be gone.
                let _ = go.send(());
            }
        }
    }

    /// Lets the first that waits begin; whether there was one.
    pub fn step(&self) -> bool {
        let mut state = self.lock();
        std::iter::from_fn(|| state.waiting.pop_front()).any(|(_, go)| go.send(()).is_ok())
    }

    /// Sends back all that wait and all that come: the end has begun.
    pub fn close(&self) {
        let mut state = self.lock();
        state.way = Way::Closed;
        state.waiting.clear();
    }

    /// Whether attempts wait.
    pub fn is_paused(&self) -> bool {
        self.lock().way == Way::Paused
    }

    /// Whether attempts begin without being asked for.
    pub fn is_open(&self) -> bool {
        self.lock().way == Way::Open
    }

    /// The record of the first that waits.
    pub fn first(&self) -> Option<Arc<Record>> {
        self.lock().waiting.front().map(|(record, _)| Arc::clone(record))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage for Gate {
    /// People step from message to message, and behind a closed gate nothing begins.
    fn is_one_by_one(&self) -> bool {
        !self.is_open()
    }

    /// Waits for its turn.
    fn received<'a>(&'a self, record: &'a Arc<Record>) -> Passed<'a> {
        let mut state = self.lock();
        match state.way {
            Way::Open => Passed::Now(Ok(())),
            Way::Closed => Passed::Now(Err(closed())),
            Way::Paused => {
                let (go, turn) = oneshot::channel();
                state.waiting.push_back((Arc::clone(record), go));
                Passed::Later(Box::pin(turn.map(|turn| turn.map_err(|_| closed()))))
            }
        }
    }
}

fn closed() -> Failure {
    Failure::new(Class::Revoked, Code::SHUTTING_DOWN, "the message waited for its turn")
}

#[cfg(test)]
mod tests {
    use cofferdam_core::message::Position;

    use super::*;

    /// Whether the message may go on, once that is known.
    fn pass<'a>(gate: &'a Gate, record: &'a Arc<Record>) -> impl Future<Output = bool> + 'a {
        gate.received(record).wait().map(|passed| passed.is_ok())
    }

    fn record(offset: i64) -> Arc<Record> {
        Arc::new(Record {
            source: "t".into(),
            position: Position::Offset { partition: 0, offset },
            key: None,
            headers: Default::default(),
            payload: None,
            timestamp_ms: None,
        })
    }

    #[tokio::test]
    async fn a_paused_gate_lets_one_through_at_each_step_in_the_order_they_came() {
        let gate = Gate::default();
        let (one, two, three) = (record(1), record(2), record(3));
        assert_eq!(pass(&gate, &one).now_or_never(), Some(true), "it is open at first");
        gate.pause();
        let (mut a, mut b) = (Box::pin(pass(&gate, &one)), Box::pin(pass(&gate, &two)));
        assert_eq!(((&mut a).now_or_never(), (&mut b).now_or_never()), (None, None));
        assert_eq!(gate.first(), Some(one.clone()));
        assert!(gate.step());
        assert_eq!(((&mut a).now_or_never(), (&mut b).now_or_never()), (Some(true), None));
        gate.resume();
        assert_eq!((b.now_or_never(), pass(&gate, &three).now_or_never()), (Some(true), Some(true)));
        assert!(!gate.step(), "nothing waits");
    }

    #[tokio::test]
    async fn a_closed_gate_sends_back_who_waits_and_who_comes() {
        let gate = Gate::default();
        let record = record(1);
        gate.pause();
        let mut waits = Box::pin(pass(&gate, &record));
        assert_eq!((&mut waits).now_or_never(), None);
        gate.close();
        assert_eq!((waits.now_or_never(), pass(&gate, &record).now_or_never()), (Some(false), Some(false)));
        gate.resume();
        assert_eq!(pass(&gate, &record).now_or_never(), Some(false), "it stays closed");
    }

    #[tokio::test]
    async fn a_step_is_not_spent_on_one_that_is_gone() {
        let gate = Gate::default();
        let (gone, here) = (record(1), record(2));
        gate.pause();
        {
            let mut waits = Box::pin(pass(&gate, &gone));
            assert_eq!((&mut waits).now_or_never(), None);
        }
        let mut waits = Box::pin(pass(&gate, &here));
        assert_eq!((&mut waits).now_or_never(), None);
        assert!(gate.step());
        assert_eq!(waits.now_or_never(), Some(true));
    }
}
