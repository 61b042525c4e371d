//! Offsets to commit, as librdkafka takes them.

use cofferdam_core::action::Position;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

/// The list of these positions, with what travels with each.
///
/// # Errors
/// Where an offset is none.
pub(crate) fn list<'a>(positions: impl IntoIterator<Item = &'a Position>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for Position { partition, offset, metadata } in positions {
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(Offset::Offset(*offset))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}
