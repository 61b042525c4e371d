//! The key of an assigned partition.

slotmap::new_key_type! {
    /// Identifies one assignment of one partition. A later assignment of the same partition has another key.
    pub(super) struct PartitionKey;
}
