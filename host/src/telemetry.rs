//! Metrics and log events of a route, from one place.
//!
//! [`Telemetry`] is a [`Listener`](crate::listener::Listener) of the flow of one route. It counts and logs the events and
//! actions of the machine. [`metrics`] exports the counters, [`log`] writes the lines. The tables have the same rows as
//! those in `host/docs/operations.md`.
//!
//! # Metrics
//!
//! On Kafka `topic` and `consumer_group` have their usual meaning; on SQS `topic` is the queue and `consumer_group` the name of
//! the route. A `code` or `error_type` from a handler is free text of a guest, so a route shows the first
//! [`CODES_OF_HANDLERS`] of them and counts the rest as `OTHER`.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `messages_consumed_total` | topic, consumer_group, status | deliveries that ended: `done`, `dead_lettered`, `ignored`, `duplicate`, `released`, `revoked`, `abandoned` |
//! | `message_processing_duration_seconds` | topic, consumer_group | wall time of one attempt of the handler |
//! | `dlq_messages_total` | topic, error_type | messages stored as dead letters, by source topic and code |
//! | `messages_produced_total` | topic, partition | records acknowledged by Kafka; counted by the Kafka sink |
//! | `cofferdam_messages_sent_total` | queue | messages acknowledged by SQS; counted by the SQS sink |
//! | `consumer_lag` | topic, consumer_group, partition | records between the commit point and the end of the partition; set by the Kafka source |
//! | `cofferdam_topic_recreated_total` | topic, consumer_group | partitions whose topic was deleted and recreated; counted by the Kafka source |
//! | `cofferdam_queue_recreated_total` | queue | times that a source queue was missing and exists again; counted by the SQS source |
//! | `cofferdam_received_total` | route | messages received, redeliveries included |
//! | `cofferdam_in_flight` | route | deliveries received and neither settled nor given back |
//! | `cofferdam_attempts_total` | route, outcome, code | attempts that ended; `code` is empty for `done` |
//! | `cofferdam_rescheduled_total` | route, next | deliveries put off for a later attempt: `retry`, `defer`, `hold`, `refused` |
//! | `cofferdam_guest_cpu_seconds` | route | CPU time of the guest in one attempt |
//! | `cofferdam_guest_memory_peak_bytes` | route | peak memory of the instance in one attempt, tables included |
//! | `cofferdam_route_holding` | route | 1 while intake is stopped because messages wait for a destination or for the host, else 0 |
//! | `cofferdam_route_paused` | route | 1 while a command has paused the route, else 0 |
//! | `cofferdam_refused_dead_letters` | route | records that wait because every form of their dead letter is rejected: each blocks its key |
//! | `cofferdam_refusals_total` | route, destination, next | publications that a destination rejected: `hold` temporarily, `refused` permanently |
//! | `cofferdam_assigned_partitions` | route | partitions assigned to this process |
//! | `cofferdam_dead_letters` | destination | dead letters at the last check (`[alerts]`); in a topic, the records from the first one not yet replayed on; set by the host |
//! | `cofferdam_capability_denied_total` | plugin, capability, reason | host calls of plugins denied because a capability is not granted; `import`: the plugin was not loaded; for `http` `host`, `scheme`, `port`, `method`, `address`; for `keyvalue` `bucket`. Counted by the plugin |
//! | `cofferdam_http_requests_total` | plugin, host, status | HTTP requests of plugins, by the entry that granted them: `1xx` to `5xx`, `failed`, `denied` (the address), `refused` (circuit open), `abandoned` |
//! | `cofferdam_http_circuit_open` | plugin, host | 1 while the circuit breaker of an HTTP host is open, else 0 |
//! | `cofferdam_partition_blocked_since_seconds` | route, topic, partition, bound | Unix time since which an unfinished record has blocked the partition, 0 if none does. `in_flight`: the messages and bytes of the route; `commit_metadata`: the size of the commit metadata |
//! | `cofferdam_partition_blocked_offset` | route, topic, partition, bound | offset of the record that blocks the partition |
//! | `cofferdam_circuit_open` | route | 1 while the circuit breaker pauses the route because most messages fail, else 0 |
//! | `cofferdam_rebalances_total` | route, change | partitions `assigned`, `revoked`, `lost` |
//!
//! # Log events
//!
//! Lines about a message carry `route`, `topic`, `partition` and `offset` (or `broker_message_id`), `consumer_group`,
//! `attempt`, `latency_ms` since the receipt, `message_id`, `correlation_id`, `traceparent`, and `entity_id` and
//! `task_name` where the envelope has them. Their target is `cofferdam::delivery`.
//!
//! | event | level | when |
//! |---|---|---|
//! | `message_produced` | debug | an output, dead letter or error event is durable; `destination` |
//! | `consumer_lag` | debug | every 5 s, by the Kafka source; `lag` |
//! | `message_consumed` | debug | an attempt ended; `outcome`, `code`, `duration_ms` |
//! | `message_acked` | debug | acknowledged; `status` is `done`, `ignored` or `duplicate` |
//! | `message_nacked` | warn | not acknowledged; `next` is `retry`, `hold` or `abandoned`, with `wait_ms`, `outcome`, `code`, `text`; `destination` where one rejects a publication of the message |
//! | | error | the same, `next` is `abandoned` with `at_most_once`: the message is lost |
//! | | info | the same, `next` is `defer` |
//! | | debug | the same, `next` is `released` or `revoked` |
//! | `dead_letter_refused` | error | the dead-letter destination rejects every form of the dead letter: the record and its key wait, everything else proceeds; `destination`, `text` in the words of the broker, `wait_ms` |
//! | `message_redriven` | error | the last receive of a message ended without settling it: the queue's redrive policy moves the message; `status`, `receives` |
//! | `redrive_policy` | info, warn | at the start, for a queue with a redrive policy: `max_receive_count` of the queue, `max_attempts` of the route; warn: the first is less than the second |
//! | `message_dlq` | warn | stored as a dead letter; `outcome`, `code`, `text`, `destination` |
//! | `capability_denied` | warn | a plugin was denied a capability, or was not loaded because of its imports; `plugin`, `capability`; at most 10 for an attempt |
//! | `http_circuit_open`, `http_circuit_closed` | warn, info | the circuit breaker of an HTTP host opened; closed again; `plugin`, `host` |
//! | `dlq_depth_unknown` | warn | the dead letters of a `destination` could not be counted for a minute, so no alert is possible; `problem`; logged again every 10 min |
//! | `dlq_depth` | warn, info | a `destination` holds more dead letters than the threshold in `[alerts]`, at once and every 10 min; info: back below it; `letters`, `limit` |
//! | `metadata_ignored` | warn | commit metadata was written for another offset, topic or cluster, or by another program; `reason` |
//! | `topic_recreated` | error | a source topic was deleted and recreated; its partition starts by the start rule; `topic`, `partition`, `consumer_group` |
//! | `queue_recreated` | error | a source queue was deleted and recreated; leases of the deleted queue are lost; `queue` |
//! | `rebalance` | info, warn | partitions were `assigned` or `revoked`; warn: `lost` |
//! | `offset_superseded` | warn | a commit has an unknown result, and the group has an offset of this `partition` that this host did not write; the host reads again from there |
//! | `transactional_id_taken` | warn | another process uses the transactional `id` of this route; the host continues with the id `now` |
//! | `intake_stopped`, `intake_resumed` | warn, info | intake is paused because messages wait for a destination or for the host (see `message_nacked`); intake has resumed |
//! | `route_paused`, `route_resumed` | info | a command paused the route: it starts no attempt; the pause ended by a command or by a stop |
//! | `handler_stuck` | error | a thread has run the handler for 30 s, beyond its limits: restart the process; `plugin`, `silent_ms` |
//! | `client_failed` | error | a `client`, `consumer` or `producer`, failed permanently: the process exits with 69; `reason` |
//! | `topic_unfit` | warn, info | at the start: the settings of a route's topics do not fit: dead letters can be lost or not stored (warn), or outputs rejected (info); `remedy` |
//! | `not_authorized` | error, warn | a broker denies a right that a route needs; `client`, `route` or `topic`, `code`, `remedy`; warn: found at the start |
//! | `circuit_open` | error, warn | an outage: most first attempts fail, intake is paused; warn: all probes failed |
//! | `circuit_probing`, `circuit_closed` | info | probes are running; the route resumes |
//! | `partition_blocked`, `partition_unblocked` | warn, info | the commit point has not moved for 10 s and the `bound` is reached: intake and new attempts of the partition have stopped; `behind` is the offset, `blocked_since` the time |
//! | `route_stopped` | error | the route stopped as configured |
//! | `storage_damaged` | warn | a `file` of the storage folder is damaged and is created again; `error` |
//! | `plugin_building` | info | `dev`: the build `command` runs; the message names the changed sources, or a source that starts no builds from now on |
//! | `plugin_loading` | info | a new version of `plugin` is compiled, unless cached, and started; `digest` |
//! | `plugin_replaced` | info | messages go to a new version of `plugin`; `digest`, `took_ms` since the change of its file was noticed |
//! | `plugin_refused`, `configuration_refused` | warn | a new file or configuration is rejected, with the reason in the message |
//! | `plugin_unchanged`, `configuration_unchanged` | info | after a rejected one, the file or configuration equals the running version again; `plugin`, `digest` |
//! | `configuration_doubtful` | warn | a warning about the new configuration |
//! | `restart_needed` | warn | the configuration changed in parts (`of`) that take effect at the next start |
//! | `lines_dropped` | warn | `lines` lines of the event `of` were dropped; the counters include them |
//!
//! `message_nacked` at info and above and `message_dlq` are limited to [`LINES_PER_SECOND`] each, per route: a wave of
//! failures must not hide other lines. Texts of guests and producers are escaped.

pub mod log;
pub mod metrics;

mod budget;
mod codes;
mod context;
mod deliveries;
mod intake;
mod listener;
mod partitions;
mod state;
mod topics;

use std::sync::Arc;

use cofferdam_core::route::Route;

pub use budget::LINES_PER_SECOND;
pub use codes::CODES_OF_HANDLERS;

use deliveries::Deliveries;
use intake::Intake;
use partitions::Partitions;
use state::State;

/// The target of log lines that are not about a message. Log filters name it, so it does not follow the file of a line.
const TARGET: &str = module_path!();

/// Metrics and log lines of one route.
///
/// Metric handles are looked up once. A successful message costs a few atomic additions, without allocation and
/// formatting, unless its log line is enabled.
#[derive(Debug)]
pub struct Telemetry {
    intake: Intake,
    deliveries: Deliveries,
    partitions: Partitions,
    state: State,
}

impl Telemetry {
    /// Creates the telemetry of `route`. It uses the metrics recorder that is installed at the time of the call.
    pub fn new(route: Arc<Route>) -> Self {
        let name: Arc<str> = route.name.clone().into();
        let group: Arc<str> = route.group.as_ref().unwrap_or(&route.name).clone().into();
        Self {
            intake: Intake::new(&name),
            deliveries: Deliveries::new(Arc::clone(&route), Arc::clone(&group)),
            partitions: Partitions::new(name, group),
            state: State::new(route),
        }
    }
}

#[cfg(test)]
mod tests;
