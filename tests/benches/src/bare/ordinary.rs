//! What most people write in Rust: a stream of messages, a future for each copy, a thousand of them at a time, offsets
//! stored in order and committed by the client.

use futures::StreamExt;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::Topics;

/// Copies under way at a time.
const DEPTH: usize = 1_000;

pub(super) fn run(topics: &Topics) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(copy(topics))
}

async fn copy(topics: &Topics) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &topics.brokers).set("group.id", &topics.group);
    config.set("enable.auto.offset.store", "false").set("auto.offset.reset", "earliest");
    // Without it the consumer sleeps for a second each time its queue is full.
    config.set("fetch.queue.backoff.ms", "10");
    let consumer: StreamConsumer = config.create()?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &topics.brokers).set("acks", "all").set("enable.idempotence", "true");
    for (name, value) in &topics.producer {
        config.set(name, value);
    }
    let producer: FutureProducer = config.create()?;
    consumer.subscribe(&[&topics.from])?;
    let copies = consumer.stream().map(|message| async {
        let message = message?.detach();
        let mut record = FutureRecord::to(&topics.to);
        record.key = message.key();
        record.payload = message.payload();
        record.headers = message.headers().cloned();
        producer.send(record, None).await.map_err(|(error, _)| error)?;
        anyhow::Ok((message.partition(), message.offset()))
    });
    let mut copies = std::pin::pin!(copies.buffered(DEPTH));
    while let Some(copy) = copies.next().await {
        let (partition, offset) = copy?;
        consumer.store_offset(&topics.from, partition, offset)?;
    }
    Ok(())
}
