//! Deletes dead letters.
//!
//! A queue can delete any message. A log can delete only its beginning: in each partition, everything before an offset. So
//! on a topic a dead letter can be deleted only if all before it are deleted, too; dead letters after one that stays cannot
//! be deleted.

use std::collections::BTreeMap;

use cofferdam_core::message::Position;

/// The result of a survey: what a purge would delete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Number of dead letters that can be deleted.
    pub letters: u64,
    /// On a topic: number of selected dead letters that cannot be deleted, because one before them stays.
    pub out_of_reach: u64,
    /// On a topic: the first dead letter that stays and prevents the deletion of later ones.
    pub in_the_way: Option<Position>,
    /// On a queue: number of dead letters that were not visible now.
    pub unseen: u64,
    /// On a topic: the offset of each partition before which everything is deleted.
    pub(crate) cut: BTreeMap<i32, i64>,
}
