//! The identity of the partition of a commit, which differs for another partition with the same name.

use xxhash_rust::xxh3::xxh3_64;

use crate::ids::Partition;

/// Encoded size of an identity in bytes.
pub(super) const BYTES: usize = 3 * 4;

/// Digests that identify a partition. 0 means unknown, because not every broker has ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Digest of the cluster id.
    cluster: u32,
    /// Digest of the topic id; a topic that is deleted and created again gets another id.
    topic: u32,
    /// Digest of the topic name and the partition number.
    partition: u32,
}

impl Identity {
    /// The identity of `partition`, given the ids of its cluster and topic, if known.
    pub fn new(partition: &Partition, cluster: Option<&str>, topic: Option<&[u8; 16]>) -> Self {
        let mut name = partition.topic.as_bytes().to_vec();
        name.extend(partition.number.to_le_bytes());
        Self {
            cluster: cluster.map_or(0, |id| digest(id.as_bytes())),
            topic: topic.map_or(0, |id| digest(id)),
            partition: digest(&name),
        }
    }

    /// The same identity with an unknown topic id.
    #[must_use]
    pub fn without_topic(self) -> Self {
        Self { topic: 0, ..self }
    }

    pub(super) fn has_topic(self) -> bool {
        self.topic != 0
    }

    /// Whether cluster, topic and partition are known to differ, in this order.
    pub(super) fn differs(self, other: Self) -> (bool, bool, bool) {
        let differs = |one: u32, other: u32| one != 0 && other != 0 && one != other;
        (
            differs(self.cluster, other.cluster),
            differs(self.topic, other.topic),
            differs(self.partition, other.partition),
        )
    }

    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (place, part) in bytes.chunks_exact_mut(4).zip([self.cluster, self.topic, self.partition]) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        bytes
    }

    /// Decodes an identity; `None` if it is too short. Further bytes belong to a later version and are ignored.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<BYTES>()?;
        let part = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self { cluster: part(0)?, topic: part(4)?, partition: part(8)? })
    }
}

/// A digest of four bytes, never 0. Two ids have the same digest with a probability of one in four billion.
fn digest(bytes: &[u8]) -> u32 {
    (xxh3_64(bytes) as u32).max(1)
}
