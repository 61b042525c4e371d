//! Deleting letters.
//!
//! Of a queue any message can be deleted. Of a log only its beginning: in each partition, everything before an offset.
//! So on a topic letters can be deleted as far as all before them are to be deleted too, and those behind one that
//! stays are out of reach.

use std::collections::BTreeMap;

use cofferdam_core::message::Position;

/// What a purge would delete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Letters that can be deleted.
    pub letters: u64,
    /// Of a topic: letters that are meant and stand behind one that is not.
    pub out_of_reach: u64,
    /// Of a topic: the first letter that is in the way.
    pub in_the_way: Option<Position>,
    /// Of a queue: letters that are there and could not be seen now.
    pub unseen: u64,
    /// Of a topic: the offset before which all is deleted, by partition.
    pub(crate) cut: BTreeMap<i32, i64>,
}
