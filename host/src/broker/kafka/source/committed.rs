//! What the group has committed of partitions that are about to be ours.

use std::time::Duration;

use cofferdam_core::event::Partition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use super::rebalance::names;
use crate::broker::kafka::offsets::metadata;

/// How long one look may take. The reader does nothing else meanwhile; librdkafka has stopped all fetching anyway.
const LOOK: Duration = Duration::from_secs(1);

/// Where reading begins, and what was kept with it.
pub(super) struct Committed {
    /// To be assigned: with the committed offsets, so that librdkafka starts where the metadata belongs.
    pub(super) list: TopicPartitionList,
    /// Offset and metadata of each, where there are any.
    pub(super) partitions: Vec<(Partition, Option<i64>, Option<Box<str>>)>,
}

impl Committed {
    /// For partitions whose commits cannot be read; librdkafka will go on trying to find the offsets.
    pub(super) fn unknown(list: TopicPartitionList) -> Self {
        let partitions = names(&list).map(|partition| (partition, None, None)).collect();
        Self { list, partitions }
    }
}

/// Asks the group's coordinator, within a second.
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
