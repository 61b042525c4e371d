//! Sends copies of letters, and receipts, to topics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::no_topic;
use crate::broker::kafka::sink::Kafka;
use crate::broker::kafka::topics::{self, Topics};
use crate::clock::Clock;
use crate::dead_letters::Error;
use crate::dead_letters::outlet::{Copy, Target};
use crate::sink::{Busy, Ticket};

/// The shortest time that a copy remains readable before the retention of its topic deletes it.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes to any topic.
pub struct ToTopics {
    producer: Kafka,
    admin: Topics,
    topics: HashMap<Arc<str>, Found>,
}

/// A topic that was looked up.
#[derive(Clone, Copy)]
struct Found {
    partitions: i32,
    /// A copy with an earlier timestamp is too old: retention would delete it within [`LEFT`].
    oldest: Time,
}

impl ToTopics {
    /// Creates a target that publishes with this producer and looks up topics with `admin`.
    pub fn new(producer: Kafka, admin: Topics) -> Self {
        Self { producer, admin, topics: HashMap::new() }
    }
}

impl Target for ToTopics {
    fn find<'a>(&'a mut self, destination: &'a Destination) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let name = &destination.name;
            let partitions = self.admin.partitions(name).await?.ok_or_else(|| no_topic(name))?;
            let retention = self.admin.retention(name).await;
            // With a retention under twice that time, half of the retention.
            let kept = |retention: Duration| retention.saturating_sub(LEFT).max(retention / 2);
            let oldest = retention.map_or(Time::default(), |retention| Clock::set().now().before(kept(retention)));
            self.topics.insert(Arc::clone(name), Found { partitions, oldest });
            Ok(())
        }
        .boxed()
    }

    fn is_too_old(&self, destination: &Destination, timestamp_ms: Option<u64>) -> bool {
        let oldest = self.topics.get(&destination.name).map_or(Time::default(), |topic| topic.oldest);
        timestamp_ms.is_some_and(|millis| Time::from_millis(millis) < oldest)
    }

    fn publish(&self, copy: &Copy, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        // The topic may have been created again with fewer partitions.
        let there = self.topics.get(&copy.publication.destination.name).map_or(0, |topic| topic.partitions);
        let partition = copy.partition.filter(|partition| *partition < there);
        self.producer.publish_to(&copy.publication, partition, ticket)
    }
}

impl From<topics::Error> for Error {
    fn from(error: topics::Error) -> Self {
        Self::Broker { reason: error.to_string() }
    }
}
