//! Commits the progress of replays as the offsets of a consumer group, for lag monitoring and alerts.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::receipt::Receipt;
use super::replay::Marks;
use super::{Span, Topic, blocking, ends, log};

impl Topic {
    /// Commits the marks. A failure is only logged, because a replay does not use these offsets.
    pub(super) async fn commit(&self, marks: &Marks) {
        let mut offsets: Vec<(i32, i64)> = Vec::new();
        for span in &self.spans {
            let Some(mark) = marks.get(&span.partition) else { continue };
            let mark = mark.offset();
            offsets.push((span.partition, if mark == span.to { self.behind_receipts(span).await } else { mark }));
        }
        let (client, name) = (self.client.clone(), Arc::clone(&self.name));
        if let Err(error) = blocking(move || commit(&client, &name, &offsets)).await {
            tracing::warn!(topic = %self.name, %error, "failed to commit the offsets of replayed dead letters");
        }
    }

    /// Returns the offset to commit if no letter is left in the span: the offset after the receipts that follow the
    /// span.
    async fn behind_receipts(&self, span: &Span) -> i64 {
        let (client, name) = (self.client.clone(), Arc::clone(&self.name));
        let now = blocking(move || ends(&client.create().ok()?, &name).ok()).await.unwrap_or_default();
        let Some(now) = now.into_iter().find(|now| now.partition == span.partition) else { return span.to };
        let mut mark = span.to.max(now.from);
        let mut records = log::read(&self.client, &self.name, &[Span { from: mark, ..now }]);
        while let Some(Ok(record)) = records.recv().await {
            let cofferdam_core::message::Position::Offset { offset, .. } = record.position else { break };
            if Receipt::read(&record).is_none() {
                break;
            }
            mark = offset + 1;
        }
        mark
    }
}

fn commit(client: &ClientConfig, topic: &str, offsets: &[(i32, i64)]) -> Result<(), KafkaError> {
    let consumer: BaseConsumer = client.create()?;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    if offsets.is_empty() { Ok(()) } else { consumer.commit(&list, CommitMode::Sync) }
}
