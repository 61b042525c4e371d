//! Events that the machine handles.

use std::sync::Arc;

use crate::command::Command;
use crate::envelope::Opened;
use crate::ids::CommitPosition;
pub use crate::ids::{DeliveryId, Partition};
use crate::message::Record;
use crate::outcome::{Code, Outcome, Usage};
use crate::output::Publication;
use crate::progress::Identity;
use crate::time::Time;

/// An event from a source, a sink or a plugin, passed on by the driver.
#[derive(Debug)]
pub enum Event {
    /// These partitions are assigned to this host.
    Assigned(Vec<Assignment>),
    /// The group revokes these partitions. The source waits for [`Ask::GiveUp`](crate::action::Ask::GiveUp) of each, up to
    /// its own limit.
    Revoked(Vec<Partition>),
    /// These partitions belong to another host already: nothing may be committed.
    Lost(Vec<Partition>),
    /// Records of one partition, in the order of their offsets.
    Records {
        /// The partition, assigned before.
        partition: Partition,
        /// In the order of their offsets.
        records: Vec<Record>,
    },
    /// These offsets contain no readable record: they are transaction markers, records of aborted transactions, or
    /// compacted.
    Reached {
        /// The partition, assigned before.
        partition: Partition,
        /// The start of the search; `None`: the beginning of the log. Offsets after the records handed over are not covered.
        from: Option<i64>,
        /// A lower bound of the next record's offset.
        offset: i64,
    },
    /// Messages of a queue, in the order in which they were received.
    Messages(Vec<Leased>),
    /// The broker has stored these commits.
    Committed(Vec<CommitPosition>),
    /// The broker refused these commits or was unreachable: they are due again.
    CommitFailed(Vec<CommitPosition>),
    /// The queue has deleted these messages.
    Deleted(Vec<DeliveryId>),
    /// Deleting these messages failed; the source retries while their lease lasts.
    DeleteFailed(Vec<DeliveryId>),
    /// The leases of these messages were extended.
    Extended {
        /// The deliveries.
        deliveries: Vec<DeliveryId>,
        /// The new end of the leases.
        until: Time,
    },
    /// These leases, or the connection of these messages, are lost: another consumer may have received them.
    LeaseLost(Vec<DeliveryId>),
    /// An attempt has ended.
    Ended(DeliveryId, Box<Ended>),
    /// An attempt ended without a call of the handler: the store of event ids contains the event.
    Known(DeliveryId),
    /// The store of event ids recorded the events of these deliveries.
    Recorded(Vec<DeliveryId>),
    /// The store of event ids failed to record the events of these deliveries, for this reason; the machine retries.
    NotRecorded(Vec<DeliveryId>, Box<str>),
    /// The transaction is committed, with the outputs of these deliveries and these offsets.
    Transacted(Vec<CommitPosition>),
    /// The transaction was aborted: none of its outputs is visible, and no offset was committed.
    NotTransacted(Vec<CommitPosition>, Aborted),
    /// The transaction has ended, and the result of its commit is unknown. [`Machine::decide`] determines it.
    ///
    /// [`Machine::decide`]: crate::machine::Machine::decide
    Unanswered(Unanswered),
    /// Another client changed the committed offsets of these partitions: the machine drops their state.
    Superseded(Vec<Partition>),
    /// A publication is durable.
    Durable {
        /// The delivery.
        delivery: DeliveryId,
        /// The index of the publication, from 0.
        index: u32,
    },
    /// A publication did not become durable.
    NotDurable {
        /// The delivery.
        delivery: DeliveryId,
        /// The index of the publication, from 0.
        index: u32,
        /// The reason.
        refusal: Refusal,
    },
    /// Time has passed: due timers fire.
    Due,
    /// A command for the route.
    Command(Command),
}

/// An assigned partition with the committed state of its group. [`resume`](crate::progress::resume) determines the
/// offset to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: Partition,
    /// The identity of the partition, different for others of the same name. Commits contain it.
    pub identity: Identity,
    /// The committed offset; `None` without a commit.
    pub committed: Option<i64>,
    /// The metadata of the last commit, if any.
    pub metadata: Option<Box<str>>,
}

impl Assignment {
    /// A partition without identity and without a commit.
    pub fn new(partition: Partition) -> Self {
        Self { partition, identity: Identity::default(), committed: None, metadata: None }
    }
}

/// A message of a queue, with its receipt handle and its lease, if any.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// The message.
    pub record: Record,
    /// The broker's handle of this delivery: a receipt handle or a delivery tag.
    pub receipt: Arc<str>,
    /// The number of deliveries by the broker, from 1; read only if the broker
    /// [counts them](crate::source::SourceTraits::counts_deliveries).
    pub receives: u32,
    /// The end of the lease; `None` without a lease.
    pub until: Option<Time>,
}

/// The result of an attempt, as the worker reports it.
#[derive(Debug)]
pub struct Ended {
    /// The outcome; the outputs of a successful attempt are resolved to publications.
    pub outcome: Outcome<Vec<Publication>>,
    /// The resources used.
    pub usage: Usage,
    /// The handler; `None` if none was called.
    pub handler: Option<Arc<HandlerId>>,
    /// Ids for tracing the message; empty if the envelope is malformed.
    pub trace: Trace,
    /// The envelope that a failed attempt has decoded, for the next one. The machine ignores one that is not decoded.
    pub opened: Option<Arc<Opened>>,
}

impl Ended {
    /// A result with this outcome and nothing else, as if no handler was called.
    pub fn new(outcome: Outcome<Vec<Publication>>) -> Self {
        Self { outcome, usage: Usage::default(), handler: None, trace: Trace::default(), opened: None }
    }
}

/// A handler and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerId {
    /// The plugin's name in the configuration.
    pub name: Box<str>,
    /// `sha256:` and the digest of its file.
    pub digest: Box<str>,
}

/// Ids for tracing a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The message's id.
    pub message: Arc<str>,
    /// The correlation id, carried through every output.
    pub correlation: Arc<str>,
    /// W3C trace context, if the message has one.
    pub traceparent: Option<Box<str>>,
    /// `tracestate`; only with a trace context.
    pub tracestate: Option<Box<str>>,
}

/// A transaction whose commit has an unknown result. The producer's epoch has ended since, so it is not pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The offsets that it was to commit.
    pub positions: Vec<CommitPosition>,
    /// The currently committed state of each of these partitions.
    pub found: Vec<Found>,
    /// The reason for the missing answer, for people.
    pub reason: Box<str>,
}

/// The committed state of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The partition.
    pub partition: Partition,
    /// The next offset to read, if there is a commit.
    pub offset: Option<i64>,
    /// The commit metadata, if any.
    pub metadata: Option<Box<str>>,
}

/// The reason why a transaction was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aborted {
    /// The broker is unreachable or refuses temporarily.
    Unavailable(Box<str>),
    /// One publication can never be stored.
    Rejected {
        /// The delivery.
        delivery: DeliveryId,
        /// The index of the publication, from 0.
        index: u32,
        /// The reason.
        code: Code,
        /// The reason, for people.
        text: Box<str>,
    },
    /// Another process uses the same transactional id: this one must stop.
    Fenced(Box<str>),
}

/// The reason why a publication is not durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The destination is unreachable or refuses temporarily; the same publication may succeed later.
    Unavailable(Box<str>),
    /// The destination rejects this publication permanently: too large, or invalid.
    Rejected(Code, Box<str>),
}
