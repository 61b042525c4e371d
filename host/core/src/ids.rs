//! What events and actions call things by: deliveries, partitions, and positions of a commit.

use std::sync::Arc;

slotmap::new_key_type! {
    /// One receipt of one record, from its arrival until it is settled or handed back.
    ///
    /// A message that comes back is a new delivery; an id is never used again.
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
    /// What travels with it, at most 4096 bytes.
    pub metadata: Box<str>,
}
