//! The source of the toy broker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use cofferdam::source::Source;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{Event, Leased};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Store;

/// The largest number of messages in one event.
const TOGETHER: usize = 64;

/// Reads one queue over a connection, and reconnects when the connection ends.
pub struct Consumer {
    store: Arc<Store>,
    queue: Arc<str>,
    connection: Option<u64>,
    messages: u64,
    bytes: i128,
    answers: VecDeque<Event>,
    is_stopped: bool,
}

impl Consumer {
    /// Creates a source that reads this queue.
    pub fn new(store: Arc<Store>, queue: impl Into<Arc<str>>) -> Consumer {
        let (connection, answers) = (None, VecDeque::new());
        Consumer { store, queue: queue.into(), connection, messages: 0, bytes: 0, answers, is_stopped: false }
    }

    /// Returns the open connection, or a new one.
    fn connection(&mut self) -> Option<u64> {
        self.connection = self.connection.filter(|open| self.store.is_open(*open)).or_else(|| self.store.connect());
        self.connection
    }

    /// Receives available messages within the grant.
    fn receive(&mut self, connection: u64) -> Vec<Leased> {
        let mut received = Vec::new();
        while self.messages > 0 && self.bytes > 0 && received.len() < TOGETHER {
            let Some((number, record)) = self.store.receive(&self.queue, connection) else { break };
            self.messages -= 1;
            self.bytes -= record.size() as i128;
            let receipt = format!("{connection}/{number}").into();
            received.push(Leased { record, receipt, receives: 1, until: None });
        }
        received
    }
}

impl Source for Consumer {
    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Grant { messages, bytes } => {
                self.messages += u64::from(messages);
                self.bytes += i128::from(bytes);
            }
            Ask::Delete { delivery, receipt } => {
                let (connection, number) = of(&receipt);
                // After its connection has ended, a message is back in its queue.
                let done = self.store.acknowledge(&self.queue, connection, number);
                self.answers.push_back(match done {
                    true => Event::Deleted(vec![delivery]),
                    false => Event::LeaseLost(vec![delivery]),
                });
            }
            Ask::Release { receipts, delay } => {
                assert!(delay.is_zero(), "the traits say that there are no delays");
                for receipt in receipts {
                    let (connection, number) = of(&receipt);
                    self.store.give_back(&self.queue, connection, number);
                }
            }
            other => panic!("the traits say that nobody asks for this: {other:?}"),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(Some(answer));
        }
        // Register before checking, so that no change is missed.
        self.store.wake_later(context.waker());
        let connection = if self.is_stopped { None } else { self.connection() };
        let received = connection.map(|connection| self.receive(connection)).unwrap_or_default();
        if received.is_empty() { Poll::Pending } else { Poll::Ready(Some(Event::Messages(received))) }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn close(self: Box<Self>, _: Instant) -> BoxFuture<'static, Result<(), String>> {
        drop(self);
        async { Ok(()) }.boxed()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(connection) = self.connection {
            self.store.disconnect(connection);
        }
    }
}

/// Returns the connection and the number in a receipt.
fn of(receipt: &str) -> (u64, u64) {
    let parts = receipt.split_once('/').expect("it is a receipt of this source");
    let number = |text: &str| text.parse().expect("it is a receipt of this source");
    (number(parts.0), number(parts.1))
}
