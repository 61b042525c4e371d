//! `[topics]`: how missing topics are created.

use std::time::Duration;

use super::read::{Table, Value};
pub use crate::broker::kafka::settings::TopicSettings as Topics;
pub use crate::broker::kafka::topics::Tier;

const DAY: u64 = 86_400;

pub(super) fn topics(file: &Table<'_>) -> Topics {
    let mut topics = Topics { create: true, standard: Tier::standard(), error: Tier::error() };
    if let Some(section) = file.get("topics") {
        section.table("[topics]", |table| {
            topics.create = table.get("create").and_then(|value| value.flag()).unwrap_or(topics.create);
            for (key, tier) in [("standard", &mut topics.standard), ("error", &mut topics.error)] {
                if let Some(value) = table.get(key) {
                    read_tier(&value, tier);
                }
            }
        });
    }
    topics
}

fn read_tier(value: &Value<'_>, tier: &mut Tier) {
    value.table("{ partitions = 3, replication = 3 }", |table| {
        let partitions = table.get("partitions").and_then(|value| value.integer(1..=10_000));
        let replication = table.get("replication").and_then(|value| value.integer(1..=100));
        let longest = Duration::from_secs(100 * 365 * DAY);
        let retention = table.get("retention").and_then(|value| value.duration(Duration::from_secs(1)..=longest));
        tier.partitions = partitions.unwrap_or(tier.partitions);
        tier.replication = replication.unwrap_or(tier.replication);
        tier.retention = retention.unwrap_or(tier.retention);
        // A replication factor below the default also lowers the number of in-sync replicas.
        tier.min_insync_replicas = tier.min_insync_replicas.min(tier.replication);
        if let Some(value) = table.get("min_insync_replicas") {
            tier.min_insync_replicas = value.integer(1..=tier.replication).unwrap_or(tier.min_insync_replicas);
        }
    });
}
