//! Dead letters where they stand: found, filtered, sent back, deleted.
//!
//! A topic is a log: what was replayed stays in it, and what is deleted is its beginning. So a replay keeps books, as
//! records among the letters (`receipt`). A queue is no log: what was replayed is deleted, and the queue is the book.
//!
//! [`DeadLetters`] is a topic or a queue; [`filter`] says which letters are meant, [`replay`] how they go back, [`origins`]
//! which places they may name, `outlet` is where they go out.

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

/// A dead letter, and where it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The topic or queue.
    pub at: Destination,
    /// Where it stands there.
    pub position: Position,
    /// The broker's time of it.
    pub stored: Option<Time>,
    /// What it is.
    pub letter: Letter,
    /// Where the letter says that the original came from.
    pub origin: Option<Destination>,
    /// The queue that a redrive policy took it from, where its broker says so.
    pub redriven: Option<Destination>,
    /// What the books of the topic say of its replays.
    pub replays: Replays,
}

/// What is known of the replays of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replays {
    /// How many there were.
    pub count: u32,
    /// When the last one began.
    pub last: Option<Time>,
    /// Whether one was interrupted that may have sent it or not.
    pub in_doubt: bool,
}

impl Found {
    /// `kafka:orders.placed.dlq/0/17`, `sqs:tasks-dlq/1c9f...`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.at, self.position)
    }

    /// Why it is there, where it says so.
    pub fn reasons(&self) -> Option<&Reasons> {
        self.letter.reasons.as_deref()
    }

    /// When it was given up; the broker's time where the letter does not say.
    pub fn time(&self) -> Option<Time> {
        self.reasons().and_then(|reasons| reasons.last_failure).or(self.stored)
    }

    /// Where the original came from, where that is known.
    pub fn origin(&self) -> Option<Destination> {
        self.origin.clone().or_else(|| self.redriven.clone())
    }

    /// How often this message was replayed before, in all its lives.
    pub fn count(&self) -> u32 {
        let marked = Marker::of(&self.letter.original).map_or(0, |marker| marker.count);
        marked.saturating_add(self.replays.count)
    }
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// With the next letter.
    More,
    /// This was enough.
    Enough,
}

/// What became of a look through a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Letters that were seen, whether they were meant or not.
    pub seen: u64,
    /// On a queue: letters that are there and could not be seen now, by the queue's own estimate.
    pub unseen: u64,
}

/// A topic or a queue of dead letters.
pub trait DeadLetters {
    /// Shows every letter to `look`, until it has enough. Nothing is changed: messages of a queue are hidden meanwhile
    /// and visible again afterwards. After an error, what was shown until then was right.
    fn look<'a>(&'a self, look: &'a mut dyn FnMut(Found) -> Next) -> LocalBoxFuture<'a, Result<Looked, Error>>;

    /// Sends letters back; what exactly that promises: [`replay`]. `stop` ends it after the batch that is under way. After an
    /// error, what was done until then is entered into `report`, and the same order can be given again.
    fn replay<'a>(
        &'a self,
        order: &'a replay::Order,
        outlet: &'a mut outlet::Outlet,
        stop: &'a CancellationToken,
        report: &'a mut replay::Report,
    ) -> LocalBoxFuture<'a, Result<(), Error>>;

    /// What a purge by this filter would delete.
    fn survey<'a>(&'a self, filter: &'a filter::Filter) -> LocalBoxFuture<'a, Result<purge::Survey, Error>>;

    /// Deletes what was surveyed by the same filter, and says how many letters that was. After an error a part may be deleted.
    fn purge<'a>(
        &'a self,
        filter: &'a filter::Filter,
        survey: &'a purge::Survey,
    ) -> LocalBoxFuture<'a, Result<u64, Error>>;

    /// Letters in it, for a progress bar: more or less, and on a topic with those that were replayed.
    fn about(&self) -> u64;

    /// After how many looks at a letter, and to which queue, the broker hands it over itself: on some a look is a receive.
    fn hands_over(&self) -> Option<(u32, &str)> {
        None
    }
}

/// How many letters of one topic or queue are not dealt with, as far as its broker tells without a look at them.
pub trait Backlog: Send + Sync {
    /// Asks the broker.
    fn letters(&self) -> BoxFuture<'_, Result<u64, Error>>;
}
