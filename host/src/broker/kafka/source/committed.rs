//! Reads the committed offsets and metadata of partitions that are being assigned.

use std::time::Duration;

use cofferdam_core::event::Partition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use crate::broker::kafka::offsets::{metadata, names};

/// Time limit of one request. The reader is blocked meanwhile; during a rebalance librdkafka fetches nothing anyway.
const LOOK: Duration = Duration::from_secs(1);

/// The offsets at which reading begins, and their metadata.
pub(super) struct Committed {
    /// The list to assign. It contains the committed offsets, so that librdkafka starts at the offset that the metadata
    /// belongs to.
    pub(super) list: TopicPartitionList,
    /// Offset and metadata of each partition, if any.
    pub(super) partitions: Vec<(Partition, Option<i64>, Option<Box<str>>)>,
}

impl Committed {
    /// For partitions whose commits could not be read. librdkafka goes on looking for the offsets.
    pub(super) fn unknown(list: TopicPartitionList) -> Self {
        let partitions = names(&list).map(|partition| (partition, None, None)).collect();
        Self { list, partitions }
    }
}

/// Asks the coordinator of the group. Blocks for at most a second.
pub(super) fn committed(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<Committed> {
    if partitions.count() == 0 {
        return Ok(Committed::unknown(partitions.clone()));
    }
    let list = consumer.committed_offsets(partitions.clone(), LOOK)?;
    let elements = list.elements();
    elements.iter().try_for_each(|element| element.error())?;
    let offsets = elements.iter().map(|element| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    });
    let metadata = metadata(&list);
    let partitions = names(&list).zip(offsets).zip(metadata);
    let partitions = partitions.map(|((partition, offset), metadata)| (partition, offset, metadata)).collect();
    drop(elements);
    Ok(Committed { list, partitions })
}
