//! The topics or queues of a run at one broker.

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::Part;
use crate::exit::Problem;

/// The topics or queues of a run at one broker. Nobody else uses them.
///
/// A run calls [`make`](Stage::make), [`writer`](Stage::writer), then [`left`](Stage::left) any number of times, and
/// [`read`](Stage::read) when the hosts have ended. It may call [`remove`](Stage::remove) at any time.
pub trait Stage: Send + Sync {
    /// Creates all topics or queues.
    fn make(&self) -> BoxFuture<'_, Result<(), Problem>>;

    /// Creates a writer to the source of the hosts.
    fn writer(&self) -> BoxFuture<'_, Result<Box<dyn Writer>, Problem>>;

    /// Returns the number of messages in the source that the hosts have not acknowledged.
    fn left(&self) -> BoxFuture<'_, Result<u64, Problem>>;

    /// Reads outputs, dead letters and error events, in order for each key, and the unacknowledged messages of the
    /// source. Returns an error if the receiver of the items was dropped.
    fn read(&self, to: mpsc::Sender<Item>) -> BoxFuture<'_, Result<(), Problem>>;

    /// Removes the topics or queues, and the consumer group. One that does not exist is no error.
    fn remove(&self) -> BoxFuture<'_, Result<(), Problem>>;
}

/// Writes messages to the source of the hosts. Messages with the same key arrive in the order in which they were
/// written.
pub trait Writer: Send {
    /// Sends a message after all earlier ones. Returns the messages that the broker has acknowledged since the last
    /// call, possibly none.
    fn write(&mut self, number: u64, message: Message) -> BoxFuture<'_, Result<Vec<Written>, Problem>>;

    /// Waits until all messages are acknowledged, and returns those that no earlier call has returned.
    fn arrive(&mut self) -> BoxFuture<'_, Result<Vec<Written>, Problem>>;
}

/// A message to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The key, or the message group id.
    pub key: String,
    /// The payload.
    pub payload: String,
}

/// A message that the broker has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The number of the message in the run.
    pub number: u64,
    /// The key, or the message group id.
    pub key: String,
    /// The record id, as hosts write it into their journals.
    pub record: String,
}

/// What the reader finds at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An unacknowledged message in the source: its record id.
    Outstanding(String),
    /// A message that a host wrote.
    Stored(Stored),
}

/// A message that a host wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The use of its topic or queue.
    pub part: Part,
    /// The position of the message in its topic or queue, for reports.
    pub place: String,
    /// The key, or the message group id.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub payload: Option<Vec<u8>>,
    /// For a dead letter: the id of the record that it names as its origin.
    pub origin: Option<String>,
}
