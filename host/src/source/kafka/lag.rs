//! How far the group is behind.

use std::ffi::CString;
use std::sync::Weak;
use std::time::Duration;

use cofferdam_core::event::Partition;
use metrics::Gauge;
use rdkafka::bindings::rd_kafka_get_watermark_offsets;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

use super::context::Context;
use super::ends::Behind;
use super::holding::Holding;

/// Time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// Up to where the group is done with a partition.
pub(super) struct Standing {
    partition: Partition,
    /// `None` where it has committed nothing: then all that the log has is still to be done.
    done: Option<i64>,
    /// Nothing of it is in hand, and nothing more has come.
    idle: Option<Weak<()>>,
    gauge: Gauge,
}

/// The gauge of a partition.
pub(super) fn gauge(group: &str, partition: &Partition) -> Gauge {
    metrics::gauge!(
        "consumer_lag",
        "topic" => partition.topic.to_string(),
        "consumer_group" => group.to_owned(),
        "partition" => partition.number.to_string()
    )
}

impl Standing {
    pub(super) fn of(holding: &Holding) -> Self {
        let (partition, gauge) = (holding.partition.clone(), holding.lag.clone());
        Self { partition, done: holding.committed, idle: holding.idle(), gauge }
    }

    /// The topic's name.
    pub(super) fn topic(&self) -> &str {
        &self.partition.topic
    }

    /// Sets the gauge and says so: end of the log less what the group has committed, or less the beginning of the log.
    /// Returns whether the log goes on behind all that the group will ever be handed, as it seems.
    pub(super) fn report(&self, consumer: &BaseConsumer<Context>, group: &str) -> Option<Behind> {
        let (low, high) = watermarks(consumer, &self.partition)?;
        let from = self.done.unwrap_or(low);
        let lag = high.saturating_sub(from).max(0);
        self.gauge.set(lag as f64);
        let Partition { topic, number } = &self.partition;
        tracing::debug!(
            target: "cofferdam::delivery",
            event = "consumer_lag",
            topic = &**topic,
            partition = number,
            consumer_group = group,
            lag,
            "lag of the consumer group"
        );
        let life = self.idle.clone().filter(|_| lag > 0)?;
        Some(Behind { partition: self.partition.clone(), committed: self.done, from, high, life })
    }
}

/// Beginning and end of the log, as the last answer to a fetch told them; asks no broker. `None` before the first one.
pub(super) fn watermarks(consumer: &BaseConsumer<Context>, partition: &Partition) -> Option<(i64, i64)> {
    let topic = CString::new(&*partition.topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client and the name are alive, and the two numbers are ours.
    let result = unsafe {
        let client = consumer.client().native_ptr();
        rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition.number, &mut low, &mut high)
    };
    (result == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
}
