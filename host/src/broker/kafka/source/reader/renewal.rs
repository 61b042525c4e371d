//! Replaces the consumer when a topic was recreated.
//!
//! librdkafka 2.12 keeps the highest leader epoch of each partition that it has seen, by the name of the topic, and
//! ignores metadata with a lower one. A new topic begins at epoch 0. If the old one had more, for example after a restart
//! of a broker, the new one is never read: the broker refuses each fetch, neither a seek nor another assignment helps, and
//! no error is reported. A new consumer knows no epochs.
//!
//! The old consumer is closed. librdkafka revokes its partitions first, and waits until they are given up with their last
//! commits. (An `unsubscribe` before the close loses the request to leave the group in half of all cases. The new consumer
//! then waits until the session of the old one ends.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_core::event::Partition;

use super::Reader;
use super::rebalance::Rebalance;
use super::recreated::tell;
use crate::broker::kafka::source::commits::Commits;
use crate::broker::kafka::source::context::decline;
use crate::broker::kafka::source::identity::{Ids, Topics};

/// Time in addition to `revoke_timeout` for the answers of librdkafka and of the group coordinator.
const GRACE: Duration = Duration::from_secs(5);

impl Reader {
    /// Declines an assignment that contains partitions of a topic which this consumer read before it was recreated.
    /// Returns whether it did.
    pub(super) fn renew_for<'a>(&mut self, partitions: impl Iterator<Item = &'a Partition>, ids: &Ids) -> bool {
        let was_another = |partition: &&Partition| {
            let (known, id) = (self.known.get(&partition.topic), ids.get(&partition.topic));
            known.is_some_and(|known| id.is_some_and(|id| id != known))
        };
        let recreated: Vec<_> = partitions.filter(was_another).collect();
        recreated.iter().for_each(|partition| tell(&self.group, partition));
        if recreated.is_empty() {
            return false;
        }
        self.known.extend(ids.iter().map(|(topic, id)| (Arc::clone(topic), *id)));
        if let Err(error) = decline(&self.consumer) {
            self.fatal.get_or_insert(format!("failed to decline partitions: {error}").into());
        }
        self.renew();
        true
    }

    /// Begins to replace the consumer.
    pub(super) fn renew(&mut self) {
        if self.renewal.is_none() {
            tracing::debug!(group = %self.group, "replacing the consumer, because a topic was recreated");
            if let Err(error) = self.consumer.close_queue() {
                tracing::debug!(group = %self.group, %error, "failed to close the consumer");
            }
            self.renewal = Some(Instant::now() + self.config.revoke_timeout + GRACE);
        }
    }

    /// Replaces the consumer once it is closed, or after the time limit. Returns whether it did.
    pub(super) fn step_renewal(&mut self) -> bool {
        let Some(until) = self.renewal.filter(|_| !self.rebalance.leaving) else { return false };
        if !self.consumer.closed() {
            if Instant::now() < until {
                return false;
            }
            self.close_consumer(Instant::now() + GRACE);
        }
        self.lose_all();
        match self.config.consumer(&self.waker) {
            Ok(consumer) => {
                self.current.set(&consumer);
                self.topics = Topics::new(&consumer);
                self.consumer = consumer;
            }
            Err(error) => drop(self.fatal.get_or_insert(error.to_string().into())),
        }
        (self.commits, self.rebalance) = (Commits::default(), Rebalance::default());
        self.rereads.clear();
        self.renewal = None;
        true
    }
}
