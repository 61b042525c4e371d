//! Converts offsets and commit metadata to and from lists of librdkafka.

use std::slice;

use cofferdam_core::event::{Found, Partition};
use cofferdam_core::ids::CommitPosition;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

/// Returns the list of these positions with their metadata.
///
/// # Errors
/// An offset is not valid for librdkafka.
pub(crate) fn list<'a>(positions: impl IntoIterator<Item = &'a CommitPosition>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for CommitPosition { partition, offset, metadata } in positions {
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(Offset::Offset(*offset))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

/// Returns the committed offset and metadata of each partition of a list.
///
/// # Errors
/// The offset of a partition could not be read. A partition without a commit is no error.
pub(crate) fn found(list: &TopicPartitionList) -> KafkaResult<Vec<Found>> {
    let elements = list.elements();
    elements.iter().try_for_each(|element| element.error())?;
    let of = |(element, metadata): (&rdkafka::topic_partition_list::TopicPartitionListElem<'_>, _)| Found {
        partition: Partition { topic: element.topic().into(), number: element.partition() },
        offset: match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        },
        metadata,
    };
    Ok(elements.iter().zip(metadata(list)).map(of).collect())
}

/// Returns the metadata of each element; `None` if there is none or if it is not text, because the host writes only text.
pub(crate) fn metadata(list: &TopicPartitionList) -> Vec<Option<Box<str>>> {
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

/// Returns the partitions of a list, in its order.
pub(crate) fn names(list: &TopicPartitionList) -> impl Iterator<Item = Partition> {
    let names = list.elements().into_iter();
    names
        .map(|element| Partition { topic: element.topic().into(), number: element.partition() })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Formats partitions for a log line: `topic/number`, separated by spaces.
pub(crate) fn listed<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> String {
    let names: Vec<String> = partitions.into_iter().map(|it| format!("{}/{}", it.topic, it.number)).collect();
    names.join(" ")
}
