//! The settings of Kafka: the cluster, and the creation of missing topics.

use crate::broker::kafka::topics::Tier;
use crate::private::Private;

/// The section `[kafka]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// librdkafka properties, except those that the host owns. They may contain passwords.
    pub properties: Private,
}

impl Settings {
    /// Returns the largest message that the producer accepts, as the size of key, value and headers in bytes:
    /// `message.max.bytes`, 1,000,000 by default.
    pub fn message_max_bytes(&self) -> u64 {
        self.properties.get("message.max.bytes").and_then(|text| text.trim().parse().ok()).unwrap_or(1_000_000)
    }
}

/// The section `[topics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// Whether the host creates missing topics at the start. If false, a missing topic is an error.
    pub create: bool,
    /// Settings of topics for sources and outputs.
    pub standard: Tier,
    /// Settings of topics for dead letters and error events.
    pub error: Tier,
}
