//! Metrics and log lines of the partitions of a route: assignment, committed offsets, and blocked partitions.

use std::sync::Arc;

use cofferdam_core::action::{Blocked, Bound};
use cofferdam_core::event::Partition;
use cofferdam_core::progress::Ignored;
use metrics::{Counter, Gauge, counter, gauge};

use super::TARGET;

/// Handles of these metrics, for one route.
#[derive(Debug)]
pub(super) struct Partitions {
    route: Arc<str>,
    group: Arc<str>,
    assigned: Gauge,
    rebalances: [Counter; 3],
}

/// The effect of a rebalance on partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Assigned to this process.
    Assigned,
    /// Taken back after this process gave them up.
    Revoked,
    /// Taken away before this process gave them up.
    Lost,
}

impl Change {
    const ALL: [Self; 3] = [Self::Assigned, Self::Revoked, Self::Lost];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// Maximum number of partitions in a log line about a rebalance.
const PARTITIONS_SHOWN: usize = 32;

impl Partitions {
    /// `group` is the label `consumer_group`.
    pub(super) fn new(route: Arc<str>, group: Arc<str>) -> Self {
        let label = || Arc::clone(&route);
        Self {
            assigned: gauge!("cofferdam_assigned_partitions", "route" => label()),
            rebalances: Change::ALL
                .map(|change| counter!("cofferdam_rebalances_total", "route" => label(), "change" => change.as_str())),
            route,
            group,
        }
    }

    /// Counts and logs a change of the assignment.
    pub(super) fn rebalance<'a>(&self, change: Change, partitions: impl ExactSizeIterator<Item = &'a Partition>) {
        let count = partitions.len();
        self.rebalances[change as usize].increment(1);
        match change {
            Change::Assigned => self.assigned.increment(count as f64),
            Change::Revoked | Change::Lost => self.assigned.decrement(count as f64),
        }
        let shown: Vec<String> =
            partitions.take(PARTITIONS_SHOWN).map(|one| format!("{}/{}", one.topic, one.number)).collect();
        let (shown, what, route) = (shown.join(" "), change.as_str(), &*self.route);
        let consumer_group = &*self.group;
        match change {
            Change::Assigned | Change::Revoked => {
                tracing::info!(
                    target: TARGET,
                    event = "rebalance",
                    route,
                    consumer_group,
                    what,
                    count,
                    partitions = shown,
                    "rebalance"
                );
            }
            Change::Lost => {
                tracing::warn!(
                    target: TARGET,
                    event = "rebalance",
                    route,
                    consumer_group,
                    what,
                    count,
                    partitions = shown,
                    "rebalance"
                );
            }
        }
    }

    /// Logs that the commit metadata of a partition was ignored.
    pub(super) fn metadata_ignored(&self, partition: &Partition, why: &Ignored) {
        tracing::warn!(
            target: TARGET,
            event = "metadata_ignored",
            route = &*self.route,
            consumer_group = &*self.group,
            topic = &*partition.topic,
            partition = partition.number,
            reason = %why,
            "ignoring the commit metadata: records above the committed offset may be handled again"
        );
    }

    /// Logs partitions whose committed offset was changed by another client. They are read again from there.
    pub(super) fn superseded(&self, partitions: &[Partition]) {
        for partition in partitions {
            tracing::warn!(
                target: TARGET,
                event = "offset_superseded",
                route = &*self.route,
                consumer_group = &*self.group,
                topic = &*partition.topic,
                partition = partition.number,
                "another client changed the committed offset: reading the partition again from there"
            );
        }
    }

    /// Sets the gauges and logs that intake and new attempts of a partition have stopped, because waiting records have
    /// reached a bound.
    pub(super) fn blocked(&self, blocked: &Blocked) {
        let Blocked { partition, bound, behind, since } = blocked;
        let [time, offset] = self.of_blocked(partition, *bound);
        time.set(since.as_millis() as f64 / 1_000.0);
        offset.set(*behind as f64);
        tracing::warn!(
            target: TARGET,
            event = "partition_blocked",
            route = &*self.route,
            consumer_group = &*self.group,
            topic = &*partition.topic,
            partition = partition.number,
            bound = bound.as_str(),
            behind,
            blocked_since = %since,
            "the partition is blocked: waiting records have reached a bound, and intake and new attempts have stopped"
        );
    }

    /// Resets the gauges and logs that the partition is no longer blocked.
    pub(super) fn unblocked(&self, partition: &Partition) {
        for gauge in [Bound::InFlight, Bound::Metadata].into_iter().flat_map(|bound| self.of_blocked(partition, bound))
        {
            gauge.set(0.0);
        }
        tracing::info!(
            target: TARGET,
            event = "partition_unblocked",
            route = &*self.route,
            consumer_group = &*self.group,
            topic = &*partition.topic,
            partition = partition.number,
            "the partition is no longer blocked"
        );
    }

    fn of_blocked(&self, partition: &Partition, bound: Bound) -> [Gauge; 2] {
        ["cofferdam_partition_blocked_since_seconds", "cofferdam_partition_blocked_offset"].map(|name| {
            gauge!(
                name,
                "route" => self.route.to_string(),
                "topic" => partition.topic.to_string(),
                "partition" => partition.number.to_string(),
                "bound" => bound.as_str()
            )
        })
    }
}
