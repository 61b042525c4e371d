//! The limits of topics for size, key and timestamp of a record, and their retention.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};

use super::{LIMIT, Topics};
use crate::broker::kafka::mock::is_mock;

/// The limits of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `max.message.bytes`: the largest batch, and so the largest record, in bytes.
    pub largest: u64,
    /// `cleanup.policy` contains `compact`: a record needs a key, and a later record with the same key replaces it.
    pub compacted: bool,
    /// `message.timestamp.type` is `LogAppendTime`: the broker replaces the timestamp of a record.
    pub by_append_time: bool,
    /// `message.timestamp.before.max.ms`: how far in the past a timestamp may be; `None` means unlimited.
    pub before: Option<Duration>,
    /// `message.timestamp.after.max.ms`: how far in the future a timestamp may be; `None` means unlimited.
    pub after: Option<Duration>,
    /// `retention.ms`, if records are deleted by age; `None` means never.
    pub retention: Option<Duration>,
}

impl Topics {
    /// Returns the limits of these topics, without topics that do not exist or that this user may not describe.
    pub async fn rules(&self, topics: impl IntoIterator<Item = &str>) -> BTreeMap<Arc<str>, Rules> {
        let resources: Vec<_> = topics.into_iter().map(ResourceSpecifier::Topic).collect();
        if resources.is_empty() || is_mock(self.admin.inner()) {
            return BTreeMap::new();
        }
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let described = self.admin.describe_configs(&resources, &options).await;
        let described = described
            .inspect_err(|error| tracing::debug!(%error, "failed to read the configuration of the topics"))
            .unwrap_or_default();
        described.into_iter().flatten().filter_map(|resource| Some((name(&resource)?, Rules::of(&resource)?))).collect()
    }
}

impl Rules {
    fn of(resource: &ConfigResource) -> Option<Self> {
        let text = |name: &str| resource.get(name)?.value.as_deref();
        // Longer than a century means unlimited; brokers report "any" as such a number.
        let most = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let span = |name: &str| {
            let span = Duration::from_millis(text(name)?.parse().ok()?);
            Some(span).filter(|span| *span < most)
        };
        let policy = text("cleanup.policy").unwrap_or_default();
        // Brokers before Kafka 3.6 have one limit for both directions.
        let difference = span("message.timestamp.difference.max.ms");
        Some(Self {
            largest: text("max.message.bytes")?.parse().ok()?,
            compacted: policy.contains("compact"),
            by_append_time: text("message.timestamp.type") == Some("LogAppendTime"),
            before: span("message.timestamp.before.max.ms").or(difference),
            after: span("message.timestamp.after.max.ms").or(difference),
            retention: span("retention.ms").filter(|_| policy.contains("delete")),
        })
    }
}

fn name(resource: &ConfigResource) -> Option<Arc<str>> {
    match &resource.specifier {
        OwnedResourceSpecifier::Topic(name) => Some(name.as_str().into()),
        _ => None,
    }
}
