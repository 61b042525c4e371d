//! Checks that the times of a route fit those of the Kafka clients.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::route::Guarantee;

use super::super::read::{Reader, show_duration};
use super::super::route::Read;
use super::Config;
use crate::broker::kafka;
use crate::broker::kafka::properties::fit;

/// Time for the last commits and for leaving the group after a partition was given up.
const LEAVE: Duration = Duration::from_secs(5);

/// Reports times of a Kafka route that contradict others.
pub(super) fn waits_fit(reader: &Reader<'_>, config: &Config, read: &Read) {
    let Some(kafka) = config.kafka.as_ref().filter(|_| read.route.source.broker == kafka::NAME) else { return };
    let properties = &kafka.properties.0;
    let at = read.from_at.as_ref().unwrap_or(&read.name_at);
    let parts = read.route.parts();
    let release = parts.revoke_timeout;
    let poll = millis(fit::poll_interval(properties));
    if release + LEAVE >= poll {
        let (release, poll, most) =
            (show_duration(release), show_duration(poll), show_duration(poll.saturating_sub(LEAVE)));
        let what = format!(
            "revoke_timeout = {release} is too long for max.poll.interval.ms = {poll}; expected less than {most}"
        );
        reader.problem(at, what, "lower revoke_timeout, or raise max.poll.interval.ms in kafka.properties");
    }
    if let Some(plugin) = config.plugins.get(&read.route.handler)
        && plugin.limits.wall_time > release
    {
        let (wall_time, release) = (show_duration(plugin.limits.wall_time), show_duration(release));
        let what = format!(
            "wall_time = {wall_time} of the plugin {:?} is longer than revoke_timeout = {release}: a rebalance repeats attempts \
             that take longer",
            read.route.handler
        );
        reader.warning(at, what, "raise revoke_timeout, or lower wall_time");
    }
    if parts.delivery == Guarantee::ExactlyOnce {
        transactions_fit(reader, properties, read);
    }
}

fn transactions_fit(reader: &Reader<'_>, properties: &BTreeMap<String, String>, read: &Read) {
    let (interval, limit) = (read.route.parts().commit_interval, millis(fit::transaction_timeout(properties)));
    if interval >= limit {
        let (interval, limit) = (show_duration(interval), show_duration(limit));
        let what = format!(
            "commit_interval = {interval} is too long for transaction.timeout.ms = {limit}; expected less than {limit}"
        );
        let remedy = "lower commit_interval, or raise transaction.timeout.ms in kafka.properties";
        reader.problem(&read.delivery_at, what, remedy);
    }
    let alone = fit::conflicts(properties, false);
    for conflict in fit::conflicts(properties, true).iter().filter(|conflict| !alone.contains(conflict)) {
        reader.problem(&read.delivery_at, conflict, conflict.remedy());
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
