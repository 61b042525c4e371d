//! What can be in the way.

use std::sync::Arc;

use cofferdam_core::output::Destination;

use crate::exit::{Exit, Problem};

/// Why dead letters cannot be had, or not be dealt with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot be made of the configuration.
    #[error(transparent)]
    Properties(#[from] crate::kafka::properties::Error),
    /// There is no such topic.
    #[error("topic {0} does not exist")]
    NoTopic(Arc<str>),
    /// Kafka does not answer, or says no.
    #[error("kafka: failed to {doing}: {reason}")]
    Kafka {
        /// What it was to do.
        doing: &'static str,
        /// What it says.
        reason: Box<str>,
    },
    /// A queue is not there, or cannot be asked.
    #[error(transparent)]
    Queue(#[from] crate::aws::queue::Error),
    /// The topic that letters go back to cannot be asked for.
    #[error(transparent)]
    Topics(#[from] crate::kafka::topics::Error),
    /// There is no section of the configuration for where a letter goes.
    #[error("no broker is configured for {0}")]
    NoBroker(Destination),
    /// A copy was not taken for now. What was durable before it is entered.
    #[error("failed to write to {destination}: {reason}")]
    NotTaken {
        /// Where it was to go.
        destination: Destination,
        /// What the broker says.
        reason: Box<str>,
    },
    /// A call of SQS failed.
    #[error("queue {queue}: failed to {doing}: {reason}")]
    Sqs {
        /// Which.
        queue: Arc<str>,
        /// What it was to do.
        doing: &'static str,
        /// What it says.
        reason: Box<str>,
    },
}

impl Error {
    /// Whether it says of one destination that it is not there or cannot be used, and nothing of others.
    pub(super) fn is_of_one_destination(&self) -> bool {
        use crate::aws::queue::Error as Queue;
        match self {
            Self::NoTopic(_) | Self::NoBroker(_) => true,
            Self::Queue(error) => !matches!(error, Queue::Unreachable { .. }),
            _ => false,
        }
    }

    /// How a command ends because of it, and what would be right.
    pub fn problem(&self) -> Problem {
        let (exit, remedy) = match self {
            Self::Properties(_) => (Exit::Configuration, "check [kafka] properties"),
            Self::NoBroker(Destination::Kafka(_)) => (Exit::Configuration, "add the section [kafka]"),
            Self::NoBroker(Destination::Sqs(_)) => (Exit::Configuration, "add the section [sqs]"),
            Self::NoTopic(_) => (Exit::Unavailable, "check the name; `cofferdam run` creates dead-letter topics"),
            Self::Topics(_) | Self::Kafka { .. } | Self::Queue(_) | Self::NotTaken { .. } | Self::Sqs { .. } => {
                (Exit::Unavailable, "")
            }
        };
        Problem::new(exit, self.to_string(), remedy)
    }
}
