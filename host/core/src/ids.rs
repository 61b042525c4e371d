//! Ids in events and actions: deliveries, partitions, and commit positions.

use std::sync::Arc;

slotmap::new_key_type! {
    /// One delivery of a record, from its arrival until it is settled or returned.
    ///
    /// A redelivered message is a new delivery; ids are never reused.
    pub struct DeliveryId;
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The number, from 0.
    pub number: i32,
}

/// A commit of one partition: the next offset to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPosition {
    /// The partition.
    pub partition: Partition,
    /// The next offset to read: every earlier one is settled.
    pub offset: i64,
    /// The commit metadata, at most 4096 bytes.
    pub metadata: Box<str>,
}
