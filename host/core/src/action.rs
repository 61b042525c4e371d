//! What the machine wants done.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{CommitPosition, DeliveryId, Partition};
use crate::progress::Ignored;

/// Something to carry out. The driver brings back what came of it as an [`Event`](crate::event::Event).
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Run an attempt on this delivery; answered by [`Event::Ended`](crate::event::Event::Ended), always.
    Handle(DeliveryId),
    /// Make one publication of this delivery durable; answered by `Durable` or `NotDurable`, always. Once
    /// [`Machine::is_to_be_sent`](crate::machine::Machine::is_to_be_sent) says no, one that was not begun is left alone.
    Publish {
        /// Whose.
        delivery: DeliveryId,
        /// Which of its publications, from 0.
        index: u32,
    },
    /// Record the event of this delivery in the store of ids; answered by `Recorded` or `NotRecorded`, always.
    Record(DeliveryId),
    /// Make all that these deliveries lead to durable together with these offsets, or nothing of it; answered by
    /// `Transacted`, `NotTransacted` or `Unanswered`. No other is asked for before.
    Transact {
        /// Whose publications, in this order.
        deliveries: Vec<DeliveryId>,
        /// What to commit.
        positions: Vec<CommitPosition>,
    },
    /// Something for the source.
    Ask(Ask),
    /// This delivery has come to its end; it can be looked at until the next event at least.
    Settled {
        /// Which.
        delivery: DeliveryId,
        /// How it ended.
        fate: Fate,
    },
    /// An attempt failed and the delivery goes on; it can be looked at until the next event.
    Troubled {
        /// Which.
        delivery: DeliveryId,
        /// What comes next.
        next: Next,
    },
    /// Intake has stopped because a destination or plugin cannot be reached, or goes on again.
    Holding(bool),
    /// The route stops by itself because too much fails, tries again, or goes on.
    Circuit(Circuit),
    /// A command has paused the route, or the pause has ended.
    Paused(bool),
    /// The metadata of the group's commit of this partition was ignored.
    MetadataIgnored(Partition, Ignored),
    /// A partition takes no more, or starts nothing new, and its commit point has not moved for a while.
    Blocked(Blocked),
    /// That is over.
    Unblocked(Partition),
    /// The route is configured to stop here; the reason is for people.
    Stop(Box<str>),
    /// A drain has ended: nothing is in flight any more, or its limit is over.
    Drained,
}

/// What a source is asked to do. It answers with events where the item says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Room for this much more: the source adds it to what it may still hand over.
    /// The last record may go over in bytes, never in messages.
    Grant {
        /// Messages.
        messages: u32,
        /// Bytes, by [`Record::size`](crate::message::Record::size).
        bytes: u64,
    },
    /// Take no more records of this partition.
    Pause(Partition),
    /// Take records of this partition again.
    Resume(Partition),
    /// Begin anew with this partition, where the group's offset says: answered by `Lost` and `Assigned`, or by `Lost` alone
    /// where the group has taken it away.
    Reread(Partition),
    /// Commit these, without waiting; answered once for each, together or apart, by `Committed` or `CommitFailed`. No
    /// other is asked for before: an answer that never comes keeps intake shut, and a drain waiting up to its limit.
    Commit(Vec<CommitPosition>),
    /// A transaction has committed these for the group: nothing to do but know how far it is. No answer.
    Transacted(Vec<CommitPosition>),
    /// The answer to `Revoked`: commit this, if there is something, and let the partition go.
    GiveUp {
        /// The partition.
        partition: Partition,
        /// What to commit before.
        commit: Option<CommitPosition>,
    },
    /// Acknowledge this message, so that the queue deletes it; answered by `Deleted`, `DeleteFailed` or `LeaseLost`.
    Delete {
        /// Which.
        delivery: DeliveryId,
        /// Its receipt handle.
        receipt: Arc<str>,
    },
    /// Let its lease last this long from now; answered by `Extended` or `LeaseLost`, or not at all.
    Extend {
        /// Which.
        delivery: DeliveryId,
        /// Its receipt handle.
        receipt: Arc<str>,
        /// From now, at most 12 hours.
        lease: Duration,
    },
    /// Return these messages together, to be received again after `delay`; no answer.
    Release {
        /// Their receipt handles, in the order in which they were received.
        receipts: Vec<Arc<str>>,
        /// From now, at most the source's [longest delay](crate::source::SourceTraits::longest_delay); zero where it has none.
        delay: Duration,
    },
}

/// How a delivery ended. Each receipt ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Handled, its outputs durable, acknowledged.
    Done,
    /// Stored as an error, acknowledged.
    DeadLettered,
    /// Taken by no route and ignored, as configured; acknowledged.
    Ignored,
    /// Suppressed as a duplicate; acknowledged.
    Duplicate,
    /// Handed back, to be received again.
    Released,
    /// Somebody else owns it now.
    Revoked,
    /// Still unfinished at the end of a drain; not acknowledged.
    Abandoned,
}

/// The state of a route's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// Nothing starts, nothing is taken in.
    Open(Trip),
    /// A few attempts are let through.
    Probing,
    /// All is well again.
    Closed,
}

/// What opened a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// So many messages failed at their first attempts while few ended well.
    Failures(usize),
    /// So many messages became dead letters at their first attempts while few ended well.
    DeadLetters(usize),
    /// No probe of a round ended well.
    Probe,
}

/// A partition whose records wait behind one that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The partition.
    pub partition: Partition,
    /// What is full.
    pub bound: Bound,
    /// The first offset that has not ended: the commit point.
    pub behind: i64,
    /// Since when the commit point has been there, as far as that was looked at.
    pub since: crate::time::Time,
}

/// What bounds how far a partition goes ahead of its commit point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The messages and bytes that the route may have in flight.
    InFlight,
    /// The metadata of a commit, which says what is finished and what was tried above the commit point.
    Metadata,
}

impl Bound {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Metadata => "commit_metadata",
        }
    }
}

/// What comes next for a delivery whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this wait.
    Retry(Duration),
    /// Another attempt after this wait, none counted.
    Defer(Duration),
    /// Held until the host or its destinations work again; the next try is after this wait.
    Hold(Duration),
    /// No destination takes its dead letter: it waits with its key, and everything else goes on. It is offered again after
    /// this wait.
    Refused(Duration),
}
