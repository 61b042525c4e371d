//! The health of SQS, as `/sqs/health` shows it.

use serde::Serialize;

use crate::admin::LetterHealth;

/// The health of SQS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct SqsHealth {
    /// Whether the server responds.
    pub(super) connected: bool,
    /// The queues that the routes read and write.
    pub(super) queues: Vec<QueueHealth>,
    /// The dead-letter queues, as of the last check.
    pub(super) dead_letters: Vec<LetterHealth>,
    /// The reason why the server is not connected, for users.
    pub(super) error: Option<String>,
}

/// The health of a queue. The counts are approximations of SQS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct QueueHealth {
    /// The name of the queue.
    pub(super) name: String,
    /// Number of messages that can be received.
    pub(super) available: Option<u64>,
    /// Number of messages that were received and not deleted, and are still hidden.
    pub(super) in_flight: Option<u64>,
    /// Number of delayed messages.
    pub(super) delayed: Option<u64>,
    /// The dead-letter queue of its redrive policy, if any.
    pub(super) dead_letters: Option<DeadLetters>,
    /// The reason why there are no counts, for users.
    pub(super) error: Option<String>,
}

/// The dead-letter queue of a redrive policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct DeadLetters {
    /// The name of the queue.
    pub(super) queue: String,
    /// Number of messages that can be received.
    pub(super) available: Option<u64>,
}
