//! Counts the remaining letters of a topic without reading them.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::{Config, Error, LIMIT, blocking, ends, failed};
use crate::dead_letters::Backlog;

/// A client for repeated measurements.
pub struct Lag {
    consumer: Arc<BaseConsumer>,
    topic: Arc<str>,
}

impl Lag {
    /// Creates the client; sends no request.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::Broker`].
    pub fn new(config: Config, topic: Arc<str>) -> Result<Self, Error> {
        let consumer = config.client(&topic)?.create().map_err(|error| failed("create a client", &error))?;
        Ok(Self { consumer: Arc::new(consumer), topic })
    }

    async fn records(&self) -> Result<u64, Error> {
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

impl Backlog for Lag {
    /// Returns the number of records after the committed offset of the group, or after the beginning of the log if that
    /// is later. A letter that a filter has skipped holds the committed offset back, so replayed letters behind it
    /// count too.
    fn letters(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.records().boxed()
    }
}
