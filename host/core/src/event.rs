//! What the world tells the machine.

use std::sync::Arc;

use crate::command::Command;
use crate::ids::CommitPosition;
pub use crate::ids::{DeliveryId, Partition};
use crate::message::Record;
use crate::outcome::{Code, Outcome, Usage};
use crate::output::Publication;
use crate::progress::Identity;
use crate::time::Time;

/// Something that happened. A source, a sink or a plugin says so; the driver passes it on.
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours from now on.
    Assigned(Vec<Assignment>),
    /// The group wants these partitions back. The source waits until each was given up
    /// ([`Ask::GiveUp`](crate::action::Ask::GiveUp)), up to a limit of its own.
    Revoked(Vec<Partition>),
    /// These partitions belong to somebody else already: nothing may be committed.
    Lost(Vec<Partition>),
    /// Records of one partition, in the order of their offsets.
    Records {
        /// The partition, assigned before.
        partition: Partition,
        /// In the order of their offsets.
        records: Vec<Record>,
    },
    /// Between these offsets stands no record that anybody may read: they are markers of transactions, records of aborted
    /// ones, or what compaction has left.
    Reached {
        /// The partition, assigned before.
        partition: Partition,
        /// Where the search began; `None`: at the beginning of the log. Behind what was handed over it says nothing.
        from: Option<i64>,
        /// Where the next record will stand, or before it.
        offset: i64,
    },
    /// Messages of a queue, in the order in which they were received.
    Messages(Vec<Leased>),
    /// The broker has these commits.
    Committed(Vec<CommitPosition>),
    /// The broker refused these commits, or could not be asked: they are due again.
    CommitFailed(Vec<CommitPosition>),
    /// The queue has deleted these messages.
    Deleted(Vec<DeliveryId>),
    /// These could not be deleted; they are tried again while their lease lasts.
    DeleteFailed(Vec<DeliveryId>),
    /// The leases of these now last until then.
    Extended {
        /// Whose leases.
        deliveries: Vec<DeliveryId>,
        /// When they end.
        until: Time,
    },
    /// These leases are gone, or the connection that these messages came through: somebody else may have them.
    LeaseLost(Vec<DeliveryId>),
    /// An attempt has ended.
    Ended(DeliveryId, Box<Ended>),
    /// An attempt has ended before the handler was called: the store of ids knows the event.
    Known(DeliveryId),
    /// The store of ids has recorded the events of these.
    Recorded(Vec<DeliveryId>),
    /// The store of ids could not record the events of these; they are tried again.
    NotRecorded(Vec<DeliveryId>),
    /// The transaction is committed: what these deliveries led to, and these offsets.
    Transacted(Vec<CommitPosition>),
    /// The transaction was aborted: nothing of it can be seen, and no offset was committed.
    NotTransacted(Vec<CommitPosition>, Aborted),
    /// The transaction is over, and the broker's answer to its commit was lost. [`Machine::decide`] says what it was.
    ///
    /// [`Machine::decide`]: crate::machine::Machine::decide
    Unanswered(Unanswered),
    /// The group has committed these otherwise than the machine knows: what it has in memory of them counts for nothing.
    Superseded(Vec<Partition>),
    /// A publication is durable.
    Durable {
        /// Whose.
        delivery: DeliveryId,
        /// Which of its publications, from 0.
        index: u32,
    },
    /// A publication did not become durable.
    NotDurable {
        /// Whose.
        delivery: DeliveryId,
        /// Which of its publications, from 0.
        index: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Time has passed: what is due is due.
    Due,
    /// People, or the host, want something of the route.
    Command(Command),
}

/// A partition that was assigned, with what its group has committed. It is read from where
/// [`resume`](crate::progress::resume) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: Partition,
    /// The partition told apart from others of the same name. Commits are written for it.
    pub identity: Identity,
    /// The offset that the group has committed; `None` where it has committed none.
    pub committed: Option<i64>,
    /// The metadata of the group's last commit, where there is any.
    pub metadata: Option<Box<str>>,
}

impl Assignment {
    /// A partition of which nothing is known and nothing is committed.
    pub fn new(partition: Partition) -> Self {
        Self { partition, identity: Identity::default(), committed: None, metadata: None }
    }
}

/// A message of a queue, with the receipt that came with it and the lease, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// The message.
    pub record: Record,
    /// The handle by which the queue knows this receipt: a receipt handle, a delivery tag.
    pub receipt: Arc<str>,
    /// How often the broker has delivered it, 1 for the first time; read only where
    /// [it counts](crate::source::SourceTraits::counts_deliveries).
    pub receives: u32,
    /// When the lease ends; `None` where the source gives none.
    pub until: Option<Time>,
}

/// How an attempt ended: what the worker that ran it knows.
#[derive(Debug)]
pub struct Ended {
    /// The outcome; the outputs of one that ended well are resolved to publications already.
    pub outcome: Outcome<Vec<Publication>>,
    /// What it used.
    pub usage: Usage,
    /// Who ran it; `None` where no handler was called.
    pub handler: Option<Arc<HandlerId>>,
    /// Ids that people follow a message by; empty where the envelope could not be read.
    pub trace: Trace,
}

/// Which handler, in which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerId {
    /// The plugin's name in the configuration.
    pub name: Box<str>,
    /// `sha256:` and the digest of its file.
    pub digest: Box<str>,
}

/// The ids that people follow a message by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The message's id.
    pub message: Arc<str>,
    /// The correlation id, carried through every output.
    pub correlation: Arc<str>,
    /// W3C trace context, where the message had one.
    pub traceparent: Option<Box<str>>,
    /// What tracers noted beside it (`tracestate`); nothing without a trace context.
    pub tracestate: Option<Box<str>>,
}

/// A transaction whose commit was not answered. The producer's epoch has ended since, so nothing of it is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What it was to commit.
    pub positions: Vec<CommitPosition>,
    /// What the group has committed now of each of these partitions.
    pub found: Vec<Found>,
    /// Why there was no answer, for people.
    pub reason: Box<str>,
}

/// What the group has committed of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The partition.
    pub partition: Partition,
    /// The next offset to read, where there is a commit.
    pub offset: Option<i64>,
    /// What travels with it, where there is anything, in text.
    pub metadata: Option<Box<str>>,
}

/// Why a transaction was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aborted {
    /// The broker cannot be reached or says no for now.
    Unavailable(Box<str>),
    /// One publication can never be stored.
    Rejected {
        /// Whose.
        delivery: DeliveryId,
        /// Which of its publications, from 0.
        index: u32,
        /// Why.
        code: Code,
        /// Why, for people.
        text: Box<str>,
    },
    /// Another process works under the same name: this one must not go on.
    Fenced(Box<str>),
}

/// Why a sink did not make a publication durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The destination cannot be reached or says no for now; the same publication may succeed later.
    Unavailable(Box<str>),
    /// It will never take this publication: too large, or invalid.
    Rejected(Code, Box<str>),
}
