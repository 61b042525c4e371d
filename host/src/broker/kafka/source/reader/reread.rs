//! Partitions that are read again from the committed offset, because the state of the flow is no longer valid for them.

use std::time::Duration;

use cofferdam_core::event::{Assignment, Event};
use cofferdam_core::progress::resume;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use super::Reader;
use super::recreated::START;
use crate::broker::kafka::source::committed::committed;

impl Reader {
    /// Reads the requested partitions again, as soon as the committed offsets can be read. A partition that the group
    /// revokes meanwhile is left to its next owner.
    pub(super) fn step_rereads(&mut self) {
        self.shared.with(|state| self.rereads.retain(|partition| state.held.is_read(partition)));
        let mut list = TopicPartitionList::new();
        for partition in &self.rereads {
            list.add_partition(&partition.topic, partition.number);
        }
        let found = match committed(&self.consumer, &list) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(group = %self.group, %error, "failed to read the committed offsets, retrying");
                return;
            }
        };
        self.rereads.clear();
        for (partition, committed, metadata) in found.partitions {
            let identity = self.shared.with(|state| state.held.identity(&partition));
            let offset = resume(committed, metadata.as_deref(), identity).from;
            let mut at = TopicPartitionList::new();
            let start = offset.map_or(START, Offset::Offset);
            let sought = at.add_partition_offset(&partition.topic, partition.number, start);
            // Seek and reset happen under the lock: the flow takes no record between them, and records that were fetched
            // earlier are out of date afterwards.
            let sought = self.shared.with(|state| {
                sought.and_then(|()| self.consumer.seek_partitions(at, Duration::ZERO))?;
                state.held.begin_anew(&partition, offset);
                state.lose(vec![partition.clone()]);
                state.outbox.push_back(Event::Assigned(vec![Assignment { partition, identity, committed, metadata }]));
                Ok::<_, rdkafka::error::KafkaError>(())
            });
            if let Err(error) = sought {
                self.fatal.get_or_insert(format!("failed to reread a partition: {error}").into());
            }
        }
    }
}
