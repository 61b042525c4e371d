//! Writes messages to the topic that the hosts read.

use std::collections::VecDeque;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};

use super::client::{client, record, unavailable};
use crate::broker::kafka::settings::Settings;
use crate::broker::verify::{self, Message, Written};
use crate::exit::{Exit, Problem};

/// The largest number of unacknowledged records.
const ON_THEIR_WAY: usize = 1000;

/// Writes messages to the topic that the hosts read.
pub(super) struct Writer {
    producer: FutureProducer,
    topic: String,
    /// The number and key of each unacknowledged record.
    on_their_way: VecDeque<(u64, String, DeliveryFuture)>,
}

impl Writer {
    pub(super) fn new(settings: &Settings, topic: String) -> Result<Self, Problem> {
        let decided = [("acks", "all"), ("enable.idempotence", "true"), ("linger.ms", "5")];
        let producer = client(settings, &decided)?.create().map_err(|error| unavailable(&error))?;
        Ok(Self { producer, topic, on_their_way: VecDeque::new() })
    }
}

impl verify::Writer for Writer {
    fn write(&mut self, number: u64, message: Message) -> BoxFuture<'_, Result<Vec<Written>, Problem>> {
        async move {
            let record = FutureRecord::to(&self.topic).key(&message.key).payload(&message.payload);
            let sent = self.producer.send_result(record).map_err(|(error, _)| unavailable(&error))?;
            self.on_their_way.push_back((number, message.key, sent));
            if self.on_their_way.len() >= ON_THEIR_WAY { self.arrive().await } else { Ok(Vec::new()) }
        }
        .boxed()
    }

    fn arrive(&mut self) -> BoxFuture<'_, Result<Vec<Written>, Problem>> {
        async {
            let mut there = Vec::new();
            while let Some((number, key, sent)) = self.on_their_way.pop_front() {
                let delivered = sent.await;
                let delivered =
                    delivered.map_err(|_| Problem::new(Exit::Unavailable, "the producer has stopped", ""))?;
                let delivery = delivered.map_err(|(error, _)| unavailable(&error))?;
                there.push(Written { number, key, record: record(&self.topic, delivery.partition, delivery.offset) });
            }
            Ok(there)
        }
        .boxed()
    }
}
