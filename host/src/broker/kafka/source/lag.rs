//! Measures the lag of the consumer group.

use std::sync::Weak;
use std::time::Duration;

use cofferdam_core::event::Partition;
use metrics::Gauge;
use rdkafka::consumer::BaseConsumer;

use super::context::Context;
use super::ends::Behind;
use super::holding::Holding;
use super::watermarks::watermarks;

/// Time between two measurements.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// The progress of the group in a partition.
pub(super) struct GroupProgress {
    partition: Partition,
    /// The committed offset; `None` without a commit, so that the lag is the whole log.
    done: Option<i64>,
    /// Nothing of it is in hand, and nothing more has come.
    idle: Option<Weak<()>>,
    gauge: Gauge,
}

/// Returns the lag gauge of a partition.
pub(super) fn gauge(group: &str, partition: &Partition) -> Gauge {
    metrics::gauge!(
        "consumer_lag",
        "topic" => partition.topic.to_string(),
        "consumer_group" => group.to_owned(),
        "partition" => partition.number.to_string()
    )
}

impl GroupProgress {
    pub(super) fn of(holding: &Holding) -> Self {
        let (partition, gauge) = (holding.partition.clone(), holding.lag.clone());
        Self { partition, done: holding.committed, idle: holding.idle(), gauge }
    }

    /// Returns the name of the topic.
    pub(super) fn topic(&self) -> &str {
        &self.partition.topic
    }

    /// Sets the gauge to the end of the log less the committed offset; without a commit, less the beginning of the log.
    /// Returns the partition if the group has committed all returned records and the log has further offsets.
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
