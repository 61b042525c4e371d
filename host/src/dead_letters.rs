//! Dead letters in their topics and queues: shown, filtered, replayed, deleted.
//!
//! A topic is a log: replayed dead letters stay in it, and only its beginning can be deleted. So a replay writes replay
//! records (`receipt`) between the dead letters. A queue is no log: replayed dead letters are deleted, so it needs no replay
//! records.
//!
//! [`DeadLetters`] is a topic or a queue. [`filter`] selects dead letters, [`replay`] sends them back, [`origins`] lists the
//! allowed origins, and `outlet` writes the copies.

mod error;
pub mod filter;
pub mod origins;
pub mod outlet;
pub mod pace;
pub mod purge;
pub mod replay;

use cofferdam_core::dead_letter::{Letter, Marker, Reasons};
use cofferdam_core::message::Position;
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use futures::future::{BoxFuture, LocalBoxFuture};
use tokio_util::sync::CancellationToken;

pub use error::Error;

/// A dead letter and its position.
#[derive(Debug, Clone)]
pub struct Found {
    /// The topic or queue.
    pub at: Destination,
    /// The position in the topic or queue.
    pub position: Position,
    /// The broker's timestamp.
    pub stored: Option<Time>,
    /// The decoded dead letter.
    pub letter: Letter,
    /// The source of the original message, as the dead letter names it.
    pub origin: Option<Destination>,
    /// The queue from which a redrive policy moved it, if the broker reports that.
    pub redriven: Option<Destination>,
    /// The replays, according to the replay records of the topic.
    pub replays: Replays,
}

/// The replays of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replays {
    /// Number of replays.
    pub count: u32,
    /// The start of the last replay.
    pub last: Option<Time>,
    /// Whether a replay was interrupted, so that it is unknown whether it sent the message.
    pub in_doubt: bool,
}

impl Found {
    /// The id in commands: `kafka:orders.placed.dlq/0/17`, `sqs:tasks-dlq/1c9f...`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.at, self.position)
    }

    /// The reasons for the dead letter, if it has any.
    pub fn reasons(&self) -> Option<&Reasons> {
        self.letter.reasons.as_deref()
    }

    /// The time at which the message was given up; the broker's timestamp if the dead letter does not contain it.
    pub fn time(&self) -> Option<Time> {
        self.reasons().and_then(|reasons| reasons.last_failure).or(self.stored)
    }

    /// The source of the original message, if known.
    pub fn origin(&self) -> Option<Destination> {
        self.origin.clone().or_else(|| self.redriven.clone())
    }

    /// How often this message was replayed before, in all of its dead letters.
    pub fn count(&self) -> u32 {
        let marked = Marker::of(&self.letter.original).map_or(0, |marker| marker.count);
        marked.saturating_add(self.replays.count)
    }
}

/// Whether to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Continue with the next dead letter.
    More,
    /// Stop.
    Enough,
}

/// The result of a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Number of dead letters seen, selected or not.
    pub seen: u64,
    /// Number of dead letters that a queue contains by its own estimate and that were not visible now.
    pub unseen: u64,
}

/// A topic or a queue of dead letters.
pub trait DeadLetters {
    /// Passes every dead letter to `look`, until it returns [`Next::Enough`]. Changes nothing: messages of a queue are
    /// hidden meanwhile and visible again afterwards. The dead letters that were passed before an error are valid.
    fn look<'a>(&'a self, look: &'a mut dyn FnMut(Found) -> Next) -> LocalBoxFuture<'a, Result<Looked, Error>>;

    /// Sends dead letters back; [`replay`] describes the guarantees. `stop` ends it after the current batch. After an error,
    /// `report` contains the results so far, and the same order can be repeated.
    fn replay<'a>(
        &'a self,
        order: &'a replay::Order,
        outlet: &'a mut outlet::Outlet,
        stop: &'a CancellationToken,
        report: &'a mut replay::Report,
    ) -> LocalBoxFuture<'a, Result<(), Error>>;

    /// Counts what a purge with this filter would delete.
    fn survey<'a>(&'a self, filter: &'a filter::Filter) -> LocalBoxFuture<'a, Result<purge::Survey, Error>>;

    /// Deletes the surveyed dead letters of the same filter, and returns their number. After an error, some may be deleted.
    fn purge<'a>(
        &'a self,
        filter: &'a filter::Filter,
        survey: &'a purge::Survey,
    ) -> LocalBoxFuture<'a, Result<u64, Error>>;

    /// Approximate number of dead letters, for a progress bar; on a topic it includes replayed ones.
    fn about(&self) -> u64;

    /// The number of receives after which the broker moves a dead letter to another queue, and that queue; `None` if scans
    /// do not count as receives.
    fn hands_over(&self) -> Option<(u32, &str)> {
        None
    }
}

/// Counts the dead letters of one topic or queue without reading them. In a topic these are the records from the first dead letter
/// that was not replayed on, with replayed ones and replay records behind it.
pub trait Backlog: Send + Sync {
    /// Asks the broker for the number.
    fn letters(&self) -> BoxFuture<'_, Result<u64, Error>>;
}
