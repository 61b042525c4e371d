//! What a history is made of.

mod show;

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::Class;
use cofferdam_core::time::Time;
use serde::{Deserialize, Serialize};

/// The id of a record, the same whenever it is received: `topic/partition/offset`, or the SQS message id.
pub type RecordId = Box<str>;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When, microseconds since the Unix epoch. All hosts of a history read clocks that agree.
    pub at: Time,
    /// Which process of a host it happened in, from 1; 0 is the world: brokers, producers, readers.
    pub host: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. The first group is said by the world, the second by a host, in the order in which it came about there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A record stands in the source, behind all that were produced before with the same lane.
    Produced {
        /// Which.
        record: RecordId,
        /// What it keeps its order with, across the whole source; `None` where it has no order.
        lane: Option<Box<str>>,
        /// The id of its event, on a route that suppresses duplicates; several records may carry one event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_id: Option<Box<str>>,
    },
    /// The topic was deleted, and created again under another name in these facts: what the group has not committed of it is
    /// gone, and so is what it has committed.
    TopicDeleted {
        /// `topic/number`.
        partition: Box<str>,
    },
    /// Somebody has moved the group's offset: records before it are to be left alone, records from it on to be handled, again
    /// where they were before. Nobody has the partition.
    Moved {
        /// `topic/number`.
        partition: Box<str>,
        /// The next offset to read.
        offset: i64,
    },
    /// The host of this fact was killed: what it had in memory is gone.
    Killed,
    /// An independent reader found this at the end of the history, in the order of its destination.
    Found {
        /// The record it comes from.
        record: RecordId,
        /// What was found.
        effect: Effect,
    },
    /// From now on brokers, sinks and hosts are well: what keeps a record waiting is the host's own doing.
    Calm,
    /// Nobody has anything to do but wait for destinations that refuse the dead letters of some records for ever: all others
    /// that a host has taken on must have come to their end.
    Quiet,
    /// At the end the record had not been acknowledged.
    Outstanding {
        /// Which.
        record: RecordId,
    },

    /// The queue's redrive policy has moved the message away: it was received too often.
    Redriven {
        /// Which.
        record: RecordId,
    },

    /// A process of a host has begun.
    Started,
    /// These partitions are the host's from now on.
    Assigned {
        /// `topic/number` of each.
        partitions: Vec<Box<str>>,
    },
    /// The host gave these partitions up, all that it will ever commit of them being with the broker.
    GaveUp {
        /// `topic/number` of each.
        partitions: Vec<Box<str>>,
    },
    /// The host learnt that these partitions belong to somebody else.
    Lost {
        /// `topic/number` of each.
        partitions: Vec<Box<str>>,
    },
    /// The host has taken these records on: they count as in flight until a commit covers them or they are deleted.
    Received {
        /// Which, in the order of their offsets or receipts.
        records: Vec<RecordId>,
    },
    /// An attempt begins.
    Handling {
        /// On which record.
        record: RecordId,
        /// Its number, from 1.
        attempt: u32,
    },
    /// An attempt has ended, on a record that is not settled.
    Handled {
        /// On which record.
        record: RecordId,
        /// Its number, from 1.
        attempt: u32,
        /// How.
        outcome: Class,
        /// How many outputs it asks for.
        outputs: u32,
    },
    /// An attempt was not made: the store of ids knows the event.
    Suppressed {
        /// On which record.
        record: RecordId,
        /// The number that it would have had.
        attempt: u32,
    },
    /// An attempt has ended that counts for nothing: its record was settled meanwhile, as lost or given up.
    Discarded {
        /// On which record.
        record: RecordId,
        /// Its number, from 1.
        attempt: u32,
    },
    /// A sink has made this durable, for a record that is not settled.
    Durable {
        /// The record it comes from.
        record: RecordId,
        /// What.
        effect: Effect,
    },
    /// A sink has made this durable for a receipt that was settled meanwhile, as lost or given up.
    Late {
        /// The record it comes from.
        record: RecordId,
        /// What.
        effect: Effect,
    },
    /// A sink will never take this, however often it is asked.
    Refused {
        /// The record it comes from.
        record: RecordId,
        /// What.
        effect: Effect,
    },
    /// A receipt of a record has come to its end.
    Settled {
        /// Which record.
        record: RecordId,
        /// How.
        fate: Fate,
    },
    /// The host asks the broker to commit: every offset below is settled.
    Commits {
        /// `topic/number`.
        partition: Box<str>,
        /// The next offset to read.
        offset: i64,
        /// Runs of offsets from there on that are settled too and that the commit says so of: the first, and the one behind
        /// the last. Where one record waits for long, a run has millions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        finished: Vec<(i64, i64)>,
        /// Offsets from there on that are not settled, and how many attempts on each the commit says were made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attempts: Vec<(i64, u32)>,
    },
    /// The broker has confirmed the commit.
    Committed {
        /// `topic/number`.
        partition: Box<str>,
        /// The next offset to read.
        offset: i64,
    },
    /// The host asks the queue to delete the message.
    Deletes {
        /// Which.
        record: RecordId,
    },
    /// The queue has deleted the message.
    Deleted {
        /// Which.
        record: RecordId,
    },
    /// The host's lease on a message ran out or was taken.
    LeaseLost {
        /// Which.
        record: RecordId,
    },
    /// The host was told to start no attempt until the pause ends.
    Paused,
    /// The host was told to end the pause.
    Resumed,
    /// The host was told to start one attempt in the pause.
    TriesOne,
    /// The host was told to stop, which ends a pause: what has not started goes back.
    Draining,
    /// The host ended by itself, with everything settled or handed back.
    Stopped,
}

/// What comes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// An output of a handler that ended well: its index.
    Output(u32),
    /// The original on its dead-letter destination.
    DeadLetter,
    /// The error event.
    ErrorEvent,
}
