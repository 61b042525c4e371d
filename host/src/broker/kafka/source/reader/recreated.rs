//! Topics that are deleted and created again while the consumer reads them.
//!
//! The partitions of such a topic are lost without a commit and read from the start of the new topic, by a new consumer.
//! Records of the new topic that were read at the old offset before the next check of the ids are handled again.

use cofferdam_core::event::Partition;
use rdkafka::Offset;

use super::Reader;
use crate::broker::kafka::source::holding::Recreated;
use crate::broker::kafka::source::identity::Topics;

/// The start of a partition without a commit: `auto.offset.reset`, which the host sets.
pub(super) const START: Offset = Offset::Beginning;

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
        let is_halted = self.shared.with(|state| {
            let Recreated { begun_anew, halted } = state.held.halt_recreated(&ids);
            begun_anew.iter().chain(&halted).for_each(|partition| tell(&self.group, partition));
            let is_halted = !halted.is_empty();
            if is_halted {
                state.lose(halted);
            }
            is_halted
        });
        self.known.extend(ids);
        if is_halted {
            self.renew();
        }
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
