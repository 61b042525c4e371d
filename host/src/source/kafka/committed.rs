//! What the group has committed of partitions that are about to be ours.

use std::slice;
use std::time::Duration;

use cofferdam_core::event::Partition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use super::rebalance::names;

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

/// The metadata of each element; `None` where there is none, or none of ours: we write text.
fn metadata(list: &TopicPartitionList) -> Vec<Option<Box<str>>> {
    // The safe interface panics where somebody else has committed bytes that are no text.
    // SAFETY: the list is alive and not changed meanwhile; it has `cnt` elements, each with null or a pointer to
    // `metadata_size` bytes.
    unsafe {
        let native = &*list.ptr();
        let count = usize::try_from(native.cnt).unwrap_or(0);
        let elements = if count == 0 { &[] } else { slice::from_raw_parts(native.elems, count) };
        let text = |element: &rdkafka::bindings::rd_kafka_topic_partition_t| {
            if element.metadata.is_null() || element.metadata_size == 0 {
                return None;
            }
            let bytes = slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
            std::str::from_utf8(bytes).ok().map(Box::from)
        };
        elements.iter().map(text).collect()
    }
}
