//! Which partition a commit is for, told apart from others of the same name.

use xxhash_rust::xxh3::xxh3_64;

use crate::ids::Partition;

/// Bytes of an identity as it travels.
pub(super) const BYTES: usize = 3 * 4;

/// Digests of what names a partition for good. 0 stands for unknown: not every broker has ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Of the cluster's id.
    cluster: u32,
    /// Of the topic's id, which a topic that was deleted and created again does not keep.
    topic: u32,
    /// Of the topic's name and the partition's number.
    partition: u32,
}

impl Identity {
    /// The identity of `partition`, in the cluster of this id, where the topic has this id.
    pub fn new(partition: &Partition, cluster: Option<&str>, topic: Option<&[u8; 16]>) -> Self {
        let mut name = partition.topic.as_bytes().to_vec();
        name.extend(partition.number.to_le_bytes());
        Self {
            cluster: cluster.map_or(0, |id| digest(id.as_bytes())),
            topic: topic.map_or(0, |id| digest(id)),
            partition: digest(&name),
        }
    }

    /// The same with the topic's id unknown.
    #[must_use]
    pub fn without_topic(self) -> Self {
        Self { topic: 0, ..self }
    }

    pub(super) fn has_topic(self) -> bool {
        self.topic != 0
    }

    /// Whether cluster, topic and partition are known to be others, in this order.
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

    /// `None` where it is cut short. Bytes that follow are of a later version.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<BYTES>()?;
        let part = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self { cluster: part(0)?, topic: part(4)?, partition: part(8)? })
    }
}

/// Four bytes: another id has the same digest once in four billion times. Never 0.
fn digest(bytes: &[u8]) -> u32 {
    (xxh3_64(bytes) as u32).max(1)
}
