//! Where messages come from. A source turns what its broker says into the core's events and carries out the core's
//! asks; it hands over only what it was granted.

pub mod kafka;
pub mod sqs;

use cofferdam_core::action::Ask;
use cofferdam_core::event::Event;
use rdkafka::consumer::ConsumerGroupMetadata;
use tokio::time::{Instant, timeout_at};

use crate::listener::Absence;

/// The source of one route.
pub enum Source {
    /// A consumer of Kafka topics.
    Kafka(kafka::Kafka),
    /// An SQS queue.
    Sqs(sqs::Sqs),
}

impl Source {
    /// Takes up what the core asks; never waits.
    pub fn ask(&mut self, ask: Ask) {
        match self {
            Self::Kafka(kafka) => kafka.ask(ask),
            Self::Sqs(sqs) => sqs.ask(ask),
        }
    }

    /// What happened next; `None` when the source has ended, and [`Source::close`] says why. Nothing is lost by dropping
    /// the future.
    pub async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Kafka(kafka) => kafka.next().await,
            Self::Sqs(sqs) => sqs.next().await,
        }
    }

    /// The member of the consumer group that holds the partitions, for offsets that go with a transaction; `None` while
    /// it is not known, and for queues.
    pub fn member(&self) -> Option<ConsumerGroupMetadata> {
        match self {
            Self::Kafka(kafka) => kafka.member(),
            Self::Sqs(_) => None,
        }
    }

    /// How long the source has not been in its consumer group or may not read, and why; `None` while all is well, and for
    /// queues. `received` is the number of records so far.
    pub fn absence(&mut self, received: u64) -> Option<Absence> {
        match self {
            Self::Kafka(kafka) => kafka.absence(received),
            Self::Sqs(_) => None,
        }
    }

    /// Takes no more messages, and goes on carrying out asks: the beginning of a drain.
    pub fn stop(&self) {
        if let Self::Sqs(sqs) = self {
            sqs.stop();
        }
    }

    /// Whether no more messages can come after [`Source::stop`]: every poll of a queue has ended.
    pub fn is_dry(&self) -> bool {
        match self {
            Self::Kafka(_) => true,
            Self::Sqs(sqs) => sqs.is_dry(),
        }
    }

    /// Carries out what was asked, leaves, and ends, at most until then.
    ///
    /// # Errors
    /// Why it had ended before, or did not end in time.
    pub async fn close(self, until: Instant) -> Result<(), String> {
        match self {
            Self::Kafka(kafka) => kafka.close(until).await.map_err(|error| error.to_string()),
            Self::Sqs(sqs) => {
                if timeout_at(until, sqs.close()).await.is_err() {
                    tracing::warn!("SQS did not answer within the limits of the stop");
                }
                Ok(())
            }
        }
    }
}
