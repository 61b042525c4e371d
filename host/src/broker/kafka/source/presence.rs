//! Checks whether the consumer is a member of its group.

use std::time::{Duration, Instant};

use rdkafka::bindings::{
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id,
};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::{Context, GroupError};
use super::current::Current;
use crate::listener::Absence;

/// How long an error of the group counts. librdkafka retries within a few seconds and repeats the error while it lasts.
const FRESH: Duration = Duration::from_secs(30);

/// Watches the membership of a consumer.
pub(super) struct Presence {
    consumer: Current,
    absent_since: Option<Instant>,
    /// The number of records received so far, and the time at which it last grew.
    received: u64,
    grown: Instant,
}

impl Presence {
    /// Creates the watch for a new consumer.
    pub(super) fn new(consumer: Current) -> Self {
        let now = Instant::now();
        Self { consumer, absent_since: Some(now), received: 0, grown: now }
    }

    pub(super) fn absence(&mut self, received: u64) -> Option<Absence> {
        let consumer = self.consumer.get()?;
        if received > self.received {
            (self.received, self.grown) = (received, Instant::now());
        }
        let error = consumer.context().group_error();
        // A consumer that receives records is allowed to read.
        let lasts = |it: &GroupError| if it.is_said_once { it.at > self.grown } else { it.at.elapsed() < FRESH };
        let is_refused = error.as_ref().is_some_and(lasts);
        if is_member(&consumer) && !is_refused {
            self.absent_since = None;
            return None;
        }
        let since = *self.absent_since.get_or_insert_with(Instant::now);
        Some(Absence { lasts: since.elapsed(), reason: error.map(|error| error.text) })
    }
}

/// Returns whether the consumer has a generation of the group.
fn is_member(consumer: &BaseConsumer<Context>) -> bool {
    // SAFETY: the client is alive during the calls; the metadata, where there is any, is ours, is read, and is given back.
    unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return false;
        }
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        generation >= 0
    }
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("absent_since", &self.absent_since).finish_non_exhaustive()
    }
}
