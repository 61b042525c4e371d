//! Dead letters where they stand: found, filtered, sent back, deleted.
//!
//! A topic is a log: what was replayed stays in it, and what is deleted is its beginning. So a replay keeps books, as
//! records among the letters (`receipt`). A queue is no log: what was replayed is deleted, and the queue is the book.
//!
//! [`Store`] is a topic or a queue; [`filter`] says which letters are meant, [`replay`] how they go back, [`origins`]
//! which places they may name, `outlet` is where they go out.

mod error;
pub mod filter;
pub mod kafka;
pub mod origins;
pub mod outlet;
pub mod pace;
pub mod purge;
pub mod replay;
pub mod sqs;

use std::sync::Arc;

use cofferdam_core::dead_letter::{Letter, Marker, Reasons};
use cofferdam_core::message::Position;
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
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
    /// The queue that a redrive policy took it from, where SQS says so.
    pub redriven: Option<Arc<str>>,
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
        self.letter.origin().or_else(|| self.redriven.clone().map(Destination::Sqs))
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

/// A topic or a queue of dead letters.
pub enum Store {
    /// A topic.
    Kafka(kafka::Topic),
    /// A queue.
    Sqs(sqs::Queue),
}

/// What became of a look through a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Letters that were seen, whether they were meant or not.
    pub seen: u64,
    /// On a queue: letters that are there and could not be seen now, by the queue's own estimate.
    pub unseen: u64,
}

impl Store {
    /// Shows every letter to `look`, until it has enough. Nothing is changed: messages of a queue are hidden meanwhile
    /// and visible again afterwards.
    ///
    /// # Errors
    /// [`Error`]; what was shown until then was right.
    pub async fn look(&self, mut look: impl FnMut(Found) -> Next) -> Result<Looked, Error> {
        match self {
            Self::Kafka(topic) => topic.look(&mut look).await,
            Self::Sqs(queue) => queue.look(&mut look).await,
        }
    }

    /// Sends letters back; what exactly that promises: [`replay`]. `stop` ends it after the batch that is under way.
    ///
    /// # Errors
    /// [`Error`], with what was done until then entered into `report`. The same order can be given again.
    pub async fn replay(
        &self,
        order: &replay::Order,
        outlet: &mut outlet::Outlet,
        stop: &CancellationToken,
        report: &mut replay::Report,
    ) -> Result<(), Error> {
        match self {
            Self::Kafka(topic) => topic.replay(order, outlet, stop, report).await,
            Self::Sqs(queue) => queue.replay(order, outlet, stop, report).await,
        }
    }

    /// What a purge by this filter would delete.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn survey(&self, filter: &filter::Filter) -> Result<purge::Survey, Error> {
        match self {
            Self::Kafka(topic) => topic.survey(filter).await,
            Self::Sqs(queue) => queue.survey(filter).await,
        }
    }

    /// Deletes what was surveyed by the same filter, and says how many letters that was.
    ///
    /// # Errors
    /// [`Error`]; a part may be deleted then.
    pub async fn purge(&self, filter: &filter::Filter, survey: &purge::Survey) -> Result<u64, Error> {
        match self {
            Self::Kafka(topic) => topic.purge(survey).await,
            Self::Sqs(queue) => queue.purge(filter).await,
        }
    }

    /// Letters in it, for a progress bar: more or less, and on a topic with those that were replayed.
    pub fn about(&self) -> u64 {
        match self {
            Self::Kafka(topic) => topic.records(),
            Self::Sqs(queue) => queue.about(),
        }
    }
}
