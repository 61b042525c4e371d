//! How many records of a topic are not dealt with, without reading them.

use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::{Config, Error, LIMIT, blocking, ends, failed};

/// A client that looks now and then.
pub struct Lag {
    consumer: Arc<BaseConsumer>,
    topic: Arc<str>,
}

impl Lag {
    /// Makes the client; asks no broker.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Kafka`].
    pub fn new(config: Config, topic: Arc<str>) -> Result<Self, Error> {
        let consumer = config.client(&topic)?.create().map_err(|error| failed("create a client", &error))?;
        Ok(Self { consumer: Arc::new(consumer), topic })
    }

    /// Records behind what the topic's group has committed, and the beginning of the log; letters that a filter passed
    /// over hold the group back, so the replayed ones behind them count too.
    ///
    /// # Errors
    /// [`Error::NoTopic`], [`Error::Kafka`].
    pub async fn records(&self) -> Result<u64, Error> {
        let (consumer, topic) = (Arc::clone(&self.consumer), Arc::clone(&self.topic));
        blocking(move || {
            let spans = ends(&consumer, &topic)?;
            let mut list = TopicPartitionList::new();
            for span in &spans {
                list.add_partition(&topic, span.partition);
            }
            let asked = |error: KafkaError| failed("read the committed offsets", &error);
            let committed = consumer.committed_offsets(list, LIMIT).map_err(asked)?;
            let open = spans.iter().map(|span| {
                let element = committed.find_partition(&topic, span.partition);
                let done = match element.map(|element| element.offset()) {
                    Some(Offset::Offset(offset)) => offset.clamp(span.from, span.to),
                    _ => span.from,
                };
                u64::try_from(span.to - done).unwrap_or(0)
            });
            Ok(open.sum())
        })
        .await
    }
}
