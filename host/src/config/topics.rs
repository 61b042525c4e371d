//! `[topics]`: what to do about topics that are not there, and which ones the routes need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam_core::route::DeadLetterRule;

use super::read::{Table, Value};
use super::route::Source;
use super::{Config, RouteConfig};
pub use crate::broker::kafka::topics::Tier;
use crate::broker::{kafka, sqs};

/// `[topics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Whether missing topics are created at the start; where they are not, a missing one is an error.
    pub create: bool,
    /// For sources and outputs.
    pub standard: Tier,
    /// For dead letters and error events.
    pub error: Tier,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A source or an output.
    Standard,
    /// Dead letters or error events.
    Error,
}

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
        // Fewer copies than the default asks for are a wish for fewer of them in step, too.
        tier.min_insync_replicas = tier.min_insync_replicas.min(tier.replication);
        if let Some(value) = table.get("min_insync_replicas") {
            tier.min_insync_replicas = value.integer(1..=tier.replication).unwrap_or(tier.min_insync_replicas);
        }
    });
}

impl Config {
    /// All topics that the routes name, and what each is for. One that is both holds errors. Topics that a regular
    /// expression matches, and their dead-letter topics, are not known before the start.
    pub fn kafka_topics(&self) -> BTreeMap<String, Kind> {
        let mut topics = BTreeMap::new();
        let mut add = |name: &str, kind: Kind| {
            let known = topics.entry(name.to_owned()).or_insert(kind);
            *known = kind.max(*known);
        };
        for route in &self.routes {
            for name in route.source.named().filter(|_| route.source.broker == kafka::NAME) {
                add(name, Kind::Standard);
                if let Some(rule @ DeadLetterRule::BesideSource { .. }) = &route.dead_letter {
                    add(&rule.beside(name).name, Kind::Error);
                }
            }
            for (destination, kind) in route.destinations() {
                if destination.broker == kafka::NAME {
                    add(&destination.name, kind);
                }
            }
        }
        topics
    }

    /// All queues that the routes name. The redrive queue of a source is not known before the start.
    pub fn sqs_queues(&self) -> BTreeSet<String> {
        let sources = self.routes.iter().map(|route| &route.source).filter(|source| source.broker == sqs::NAME);
        let sources = sources.flat_map(Source::named).map(str::to_owned);
        let destinations = self.routes.iter().flat_map(RouteConfig::destinations);
        let queues = destinations.filter(|(destination, _)| destination.broker == sqs::NAME);
        sources.chain(queues.map(|(queue, _)| queue.name.to_string())).collect()
    }
}
