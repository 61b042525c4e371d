//! The health of Kafka, as `/kafka/health` shows it.

use serde::Serialize;

use crate::admin::LetterHealth;

/// The health of Kafka.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct KafkaHealth {
    /// Whether a broker responds.
    pub(super) connected: bool,
    /// Topics that the routes read and write.
    pub(super) expected: Vec<String>,
    /// Expected topics that do not exist.
    pub(super) missing: Vec<String>,
    /// The dead-letter topics, as of the last check.
    pub(super) dead_letters: Vec<LetterHealth>,
    /// The reason why no broker is connected, for users.
    pub(super) error: Option<String>,
}
