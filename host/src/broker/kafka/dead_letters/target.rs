//! Where copies of letters, and receipts, leave for topics.

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

/// A copy is left at least so long to whoever reads it.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes to any topic.
pub struct ToTopics {
    producer: Kafka,
    admin: Topics,
    topics: HashMap<Arc<str>, Found>,
}

/// A topic that was asked for.
#[derive(Clone, Copy)]
struct Found {
    partitions: i32,
    /// Before this time a timestamp is so old that the broker deletes its record.
    oldest: Time,
}

impl ToTopics {
    /// Writes by this producer; finds topics by `admin`.
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
            // Half of a short one: then it is as much that is gone as what is left.
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
        // The topic may have been made anew with fewer partitions.
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
