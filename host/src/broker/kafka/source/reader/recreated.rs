//! Topics that are deleted and created again while the consumer reads them.
//!
//! The partitions of such a topic are lost without a commit and read from the start of the new topic. Records of the new
//! topic that were read at the old offset before the next check of the ids are handled again.

use std::time::Duration;

use cofferdam_core::event::{Assignment, Event, Partition};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::Reader;
use crate::broker::kafka::source::holding::Recreated;
use crate::broker::kafka::source::identity::{Ids, Topics, identity};

/// The start of a partition without a commit: `auto.offset.reset`, which the host sets.
pub(super) const START: Offset = Offset::Beginning;

/// Time limit of a seek. The reader is blocked meanwhile.
const SEEK: Duration = Duration::from_secs(1);

impl Reader {
    /// Handles the answer to the last request for topic ids, if there is one.
    pub(super) fn look_for_recreated(&mut self) {
        let Some(answer) = self.topics.as_mut().and_then(Topics::answer) else { return };
        let ids = match answer {
            Ok(ids) => ids,
            Err(code) => {
                tracing::debug!(group = %self.group, ?code, "failed to read topic ids");
                return;
            }
        };
        let partitions = self.shared.with(|state| {
            let Recreated { begun_anew, newly, halted } = state.held.halt_recreated(&ids);
            begun_anew.iter().chain(&newly).for_each(|partition| tell(&self.group, partition));
            if !newly.is_empty() {
                state.lose(newly);
            }
            halted
        });
        if !partitions.is_empty() {
            self.restart(&partitions, &ids);
        }
        self.known.extend(ids);
    }

    fn restart(&self, partitions: &[Partition], ids: &Ids) {
        let sought = match self.seek(partitions) {
            Ok(sought) => sought,
            // The next check tries again.
            Err(error) => {
                tracing::warn!(group = %self.group, %error, "failed to seek to the start of a topic that was recreated");
                return;
            }
        };
        let cluster = self.topics.as_ref().and_then(Topics::cluster);
        self.shared.with(|state| {
            let mut assigned = Vec::new();
            for partition in partitions {
                let element = sought.find_partition(&partition.topic, partition.number);
                let is_sought = element.is_some_and(|element| element.error().is_ok());
                let (id, identity) = (ids.get(&partition.topic).copied(), identity(partition, cluster.as_deref(), ids));
                if is_sought && state.held.restart(partition, id, identity) {
                    assigned.push(Assignment { identity, ..Assignment::new(partition.clone()) });
                }
            }
            if !assigned.is_empty() {
                state.outbox.push_back(Event::Assigned(assigned));
            }
        });
    }

    fn seek(&self, partitions: &[Partition]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&partition.topic, partition.number, START)?;
        }
        self.consumer.seek_partitions(list, SEEK)
    }
}

/// Reports the loss of the old topic in the log and in the metrics: its records are gone.
pub(super) fn tell(group: &str, partition: &Partition) {
    let labels = [("topic", partition.topic.to_string()), ("consumer_group", group.to_owned())];
    metrics::counter!("cofferdam_topic_recreated_total", &labels).increment(1);
    tracing::error!(
        event = "topic_recreated",
        topic = &*partition.topic,
        partition = partition.number,
        consumer_group = group,
        "the topic was deleted and recreated: reading its partition from the start"
    );
}
