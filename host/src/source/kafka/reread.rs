//! Partitions that begin anew where the group's offset says, because what the flow has of them counts for nothing.

use std::time::Duration;

use cofferdam_core::event::{Assignment, Event};
use cofferdam_core::progress::resume;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use super::committed::committed;
use super::reader::Reader;
use super::recreated::START;

impl Reader {
    /// Reads those again that the flow has asked for, once the group's offsets can be had. One that the group takes back
    /// meanwhile is left to whoever has it next.
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
            // Under the lock: the flow takes nothing between the two, and what was fetched before is old from then on.
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
