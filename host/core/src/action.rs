//! Actions that the machine requests.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{CommitPosition, DeliveryId, Partition};
use crate::progress::Ignored;

/// An action for the driver, which reports the result as an [`Event`](crate::event::Event).
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Run an attempt on this delivery; always answered by [`Event::Ended`](crate::event::Event::Ended).
    Handle(DeliveryId),
    /// Make one publication of this delivery durable; always answered by `Durable` or `NotDurable`. Once
    /// [`Machine::is_to_be_sent`](crate::machine::Machine::is_to_be_sent) returns false, the driver drops a publication that it has not begun.
    Publish {
        /// The delivery.
        delivery: DeliveryId,
        /// The index of the publication, from 0.
        index: u32,
    },
    /// Record the event of this delivery in the store of event ids; always answered by `Recorded` or `NotRecorded`.
    Record(DeliveryId),
    /// Atomically publish the outputs of these deliveries and commit these offsets; answered by `Transacted`,
    /// `NotTransacted` or `Unanswered`. The machine requests no other transaction before the answer.
    Transact {
        /// The deliveries, in the order of their publications.
        deliveries: Vec<DeliveryId>,
        /// The offsets to commit.
        positions: Vec<CommitPosition>,
    },
    /// A command for the source.
    Ask(Ask),
    /// This delivery has ended; it can be read at least until the next event.
    Settled {
        /// The delivery.
        delivery: DeliveryId,
        /// How it ended.
        fate: Fate,
    },
    /// An attempt failed and the delivery continues; it can be read until the next event.
    Troubled {
        /// The delivery.
        delivery: DeliveryId,
        /// The next step.
        next: Next,
    },
    /// Intake has stopped because a destination or plugin is unavailable, or has resumed.
    Holding(bool),
    /// The circuit breaker paused the route, probes, or resumed the route.
    Circuit(Circuit),
    /// A command has paused the route, or the pause has ended.
    Paused(bool),
    /// The commit metadata of this partition was ignored.
    MetadataIgnored(Partition, Ignored),
    /// A partition is blocked: intake or new attempts have stopped, and its commit point has not moved for a while.
    Blocked(Blocked),
    /// A partition is no longer blocked.
    Unblocked(Partition),
    /// The route stops as configured; the reason is text for people.
    Stop(Box<str>),
    /// A drain has ended: nothing is in flight, or its limit has passed.
    Drained,
}

/// A command for a source. The source answers with events where the variant says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Grant for further messages and bytes; the source adds it to its remaining grant. The last record may exceed
    /// the bytes, never the messages.
    Grant {
        /// Messages.
        messages: u32,
        /// Bytes, by [`Record::size`](crate::message::Record::size).
        bytes: u64,
    },
    /// Pause this partition.
    Pause(Partition),
    /// Resume this partition.
    Resume(Partition),
    /// Read this partition again from the group's offset; answered by `Lost` and `Assigned`, or by `Lost` alone if
    /// the group has revoked the partition.
    Reread(Partition),
    /// Commit these positions without waiting; each is answered once by `Committed` or `CommitFailed`, together or
    /// apart. The machine requests no other commit before; a missing answer keeps intake paused, and a drain waits up to its limit.
    Commit(Vec<CommitPosition>),
    /// A transaction has committed these positions; the source records them for the lag. No answer.
    Transacted(Vec<CommitPosition>),
    /// The answer to `Revoked`: commit this position, if any, and release the partition. The source may report that commit as
    /// `Committed` or `CommitFailed`, for listeners, after the answers to earlier commits of the partition and before
    /// its next assignment; the machine does not wait for it.
    GiveUp {
        /// The partition.
        partition: Partition,
        /// The position to commit before the release.
        commit: Option<CommitPosition>,
    },
    /// Acknowledge this message, so that the broker deletes it; answered by `Deleted`, `DeleteFailed` or `LeaseLost`.
    Delete {
        /// The delivery.
        delivery: DeliveryId,
        /// Its receipt handle.
        receipt: Arc<str>,
    },
    /// Extend the lease of a message; answered by `Extended` or `LeaseLost`. Without an answer it is requested again after half
    /// of the time that is left.
    Extend {
        /// The delivery.
        delivery: DeliveryId,
        /// Its receipt handle.
        receipt: Arc<str>,
        /// Length of the lease from now, at most 12 hours.
        lease: Duration,
    },
    /// Return these messages together, for redelivery after `delay`; no answer.
    Release {
        /// Their receipt handles, in the order in which they were received.
        receipts: Vec<Arc<str>>,
        /// The delay from now, at most the source's [longest delay](crate::source::SourceTraits::longest_delay); zero if it has none.
        delay: Duration,
    },
}

/// The end of a delivery. Each delivery ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Handled, its outputs durable, acknowledged.
    Done,
    /// Stored as a dead letter, acknowledged.
    DeadLettered,
    /// Not accepted by the route and ignored as configured; acknowledged.
    Ignored,
    /// Suppressed as a duplicate; acknowledged.
    Duplicate,
    /// Returned to the source for redelivery.
    Released,
    /// Lost: another host owns it now.
    Revoked,
    /// Still unfinished at the end of a drain; not acknowledged.
    Abandoned,
}

/// The state of a route's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// No attempt starts, intake is paused.
    Open(Trip),
    /// A few attempts start as probes.
    Probing,
    /// The route runs normally again.
    Closed,
}

/// The reason why a circuit opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// The number of messages whose first attempts failed while few succeeded.
    Failures(usize),
    /// The number of messages that became dead letters at their first attempts while few succeeded.
    DeadLetters(usize),
    /// All probes of a round failed.
    Probe,
}

/// A partition that is blocked by an unfinished record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The partition.
    pub partition: Partition,
    /// The bound that is reached.
    pub bound: Bound,
    /// The commit point: the offset of the first unfinished record.
    pub behind: i64,
    /// The time since which the commit point has not moved, as far as observed.
    pub since: crate::time::Time,
}

/// A bound on the distance between a partition's newest record and its commit point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The messages and bytes that the route may have in flight.
    InFlight,
    /// The size of the commit metadata, which holds finished and attempted records above the commit point.
    Metadata,
}

impl Bound {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Metadata => "commit_metadata",
        }
    }
}

/// The next step of a delivery whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this wait.
    Retry(Duration),
    /// Another attempt after this wait, without counting the last one.
    Defer(Duration),
    /// On hold until the host or its destinations recover; the next try follows after this wait.
    Hold(Duration),
    /// The destination rejects its dead letter: the delivery and its key wait, everything else proceeds. The host offers
    /// the dead letter again after this wait.
    Refused(Duration),
}
