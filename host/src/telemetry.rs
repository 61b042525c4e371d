//! Metrics and log events of a route, from one place.
//!
//! [`Telemetry`] is a [`Listener`](crate::listener::Listener) of the flow of one route. It reads deliveries when the
//! machine acts on them, counts, and logs. [`metrics`] exports the counters, [`log`] the lines. The tables have the same rows as those in `host/docs/operations.md`.
//!
//! # Metrics
//!
//! On Kafka `topic` and `consumer_group` have their usual meaning; on SQS `topic` is the queue and `consumer_group` the name of
//! the route. A `code` or `error_type` that is a handler's own is free text of a guest, so a route shows the first
//! [`CODES_OF_HANDLERS`] of them and calls the rest `OTHER`.
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
//! | `cofferdam_dead_letters` | destination | dead letters not yet replayed, at the last check (`[alerts]`); set by the host |
//! | `cofferdam_capability_denied_total` | plugin, capability, reason | host calls of plugins denied for want of a capability; `import`: the plugin was not loaded; for `http` `host`, `scheme`, `port`, `method`, `address`; for `keyvalue` `bucket`. Counted by the plugin |
//! | `cofferdam_http_requests_total` | plugin, host, status | HTTP requests of plugins, by the entry that granted them: `1xx` to `5xx`, `failed`, `denied` (the address), `refused` (circuit open), `abandoned` |
//! | `cofferdam_http_circuit_open` | plugin, host | 1 while the circuit breaker of an HTTP host is open, else 0 |
//! | `cofferdam_partition_blocked_since_seconds` | route, topic, partition, bound | Unix time since which an unfinished record has blocked the partition, 0 if none does. `in_flight`: the messages and bytes of the route; `commit_metadata`: the size of the commit metadata |
//! | `cofferdam_partition_blocked_offset` | route, topic, partition, bound | offset of the record that blocks the partition |
//! | `cofferdam_circuit_open` | route | 1 while the circuit breaker pauses the route because most messages fail, else 0 |
//! | `cofferdam_rebalances_total` | route, change | partitions `assigned`, `revoked`, `lost` |
//!
//! # Log events
//!
//! Lines about a message carry `route`, `topic`, `partition` and `offset` (or `sqs_message_id`), `consumer_group`,
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
mod listener;
mod topics;

use std::sync::Arc;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use cofferdam_core::action::{Blocked, Bound, Circuit, Fate, Next, Trip};
use cofferdam_core::event::{Ended, Partition};
use cofferdam_core::machine::Delivery;
use cofferdam_core::outcome::{Class, Code, Outcome};
use cofferdam_core::progress::Ignored;
use cofferdam_core::route::{Guarantee, Route};
use cofferdam_core::time::Time;

pub use budget::LINES_PER_SECOND;
pub use codes::CODES_OF_HANDLERS;

use crate::listener::StuckHandler;
use budget::Budget;
use codes::Codes;
use context::{Context, line};
use topics::Topics;

/// Metrics and log lines of one route.
///
/// Handles are looked up once and kept: a message that is handled well costs a few atomic additions, no allocation and
/// no formatting, unless its line is written.
#[derive(Debug)]
pub struct Telemetry {
    route: Arc<Route>,
    topics: Topics,
    codes: Codes,
    received: Counter,
    in_flight: Gauge,
    put_off: [Counter; 4],
    refused: Gauge,
    /// What that gauge shows: it seldom changes, and is looked at in every round.
    refused_now: usize,
    guest_cpu: Histogram,
    guest_memory: Histogram,
    circuit: Gauge,
    holding: Gauge,
    paused: Gauge,
    assigned: Gauge,
    rebalances: [Counter; 3],
    nacked: Budget,
    dead: Budget,
    /// A thread was in the handler for long at the last look.
    stuck: bool,
}

/// What a rebalance did with partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// They are ours.
    Assigned,
    /// They were given back in order.
    Revoked,
    /// They belonged to somebody else already.
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

/// Most partitions that a line about a rebalance names.
const PARTITIONS_SHOWN: usize = 32;

impl Telemetry {
    /// The telemetry of `route`, with the recorder that is installed now; install it before.
    pub fn new(route: Arc<Route>) -> Self {
        let name: Arc<str> = route.name.clone().into();
        let group = route.group.as_ref().unwrap_or(&route.name).clone();
        let label = || Arc::clone(&name);
        Self {
            topics: Topics::new(group.into()),
            codes: Codes::new(label()),
            received: counter!("cofferdam_received_total", "route" => label()),
            in_flight: gauge!("cofferdam_in_flight", "route" => label()),
            put_off: ["retry", "defer", "hold", "refused"]
                .map(|next| counter!("cofferdam_rescheduled_total", "route" => label(), "next" => next)),
            guest_cpu: histogram!("cofferdam_guest_cpu_seconds", "route" => label()),
            guest_memory: histogram!("cofferdam_guest_memory_peak_bytes", "route" => label()),
            refused: gauge!("cofferdam_refused_dead_letters", "route" => label()),
            refused_now: 0,
            circuit: gauge!("cofferdam_circuit_open", "route" => label()),
            holding: gauge!("cofferdam_route_holding", "route" => label()),
            paused: gauge!("cofferdam_route_paused", "route" => label()),
            assigned: gauge!("cofferdam_assigned_partitions", "route" => label()),
            rebalances: Change::ALL
                .map(|change| counter!("cofferdam_rebalances_total", "route" => label(), "change" => change.as_str())),
            nacked: Budget::new("message_nacked"),
            dead: Budget::new("message_dlq"),
            stuck: false,
            route,
        }
    }

    /// So many records or messages have arrived.
    fn received(&self, count: usize) {
        self.received.increment(count as u64);
    }

    /// So many deliveries are in flight now.
    fn in_flight(&self, deliveries: usize) {
        self.in_flight.set(deliveries as f64);
    }

    /// So many records wait because no form of their dead letter is taken.
    fn refused(&mut self, deliveries: usize) {
        if std::mem::replace(&mut self.refused_now, deliveries) != deliveries {
            self.refused.set(deliveries as f64);
        }
    }

    /// An attempt has ended: to be called before the machine hears of it.
    fn ended(&mut self, delivery: &Delivery, ended: &Ended) {
        let failure = match &ended.outcome {
            Outcome::Done(_) => None,
            Outcome::Failed(failure) => Some(&**failure),
        };
        self.codes.ended(failure);
        // Where no handler was called there was nothing to measure.
        if ended.handler.is_some() {
            let usage = &ended.usage;
            self.topics.of(&delivery.record().source).duration.record(seconds(usage.wall_us));
            self.guest_cpu.record(seconds(usage.cpu_us));
            self.guest_memory.record(usage.memory_peak_bytes as f64);
        }
        line!(DEBUG, "message_consumed", "an attempt has ended", Context::of(self, delivery, Some(ended)), None, {
            outcome = ended.outcome.class().as_str(),
            code = failure.map(|failure| failure.code.as_str()),
            duration_ms = ended.usage.wall_us as f64 / 1_000.0,
        });
    }

    /// A delivery has come to its end ([`Action::Settled`](cofferdam_core::action::Action::Settled)).
    fn settled(&mut self, delivery: &Delivery, fate: Fate, now: Time) {
        self.say_what_was_dropped(now);
        let topic = self.topics.of(&delivery.record().source);
        topic.consumed(fate).increment(1);
        let given_away = matches!(fate, Fate::Released | Fate::Revoked | Fate::Abandoned);
        if given_away && delivery.is_last_receive(&self.route.source) {
            return self.redriven(delivery, fate, now);
        }
        match fate {
            Fate::Done | Fate::Ignored | Fate::Duplicate => {
                line!(DEBUG, "message_acked", "a message was acknowledged", self.context(delivery), Some(now), {
                    status = topics::status(fate),
                });
            }
            Fate::DeadLettered => self.dead_lettered(delivery, now),
            Fate::Released | Fate::Revoked => {
                line!(DEBUG, "message_nacked", "a message was given back", self.context(delivery), Some(now), {
                    next = topics::status(fate),
                });
            }
            Fate::Abandoned => {
                if !self.nacked.take(now) {
                    return;
                }
                if self.route.delivery == Guarantee::AtMostOnce {
                    let text = "a message was unfinished at the end of the drain and is lost: at_most_once acknowledges before handling";
                    line!(ERROR, "message_nacked", text, self.context(delivery), Some(now), { next = "abandoned", });
                } else {
                    let text = "a message was unfinished at the end of the drain and will be redelivered";
                    line!(WARN, "message_nacked", text, self.context(delivery), Some(now), { next = "abandoned", });
                }
            }
        }
    }

    /// A publication of the delivery is durable.
    fn produced(&self, delivery: &Delivery, index: u32, now: Time) {
        let destination = || delivery.publication(index).map(|publication| publication.destination.to_string());
        line!(DEBUG, "message_produced", "a publication is durable", self.context(delivery), Some(now), {
            destination = destination(),
        });
    }

    /// The queue has given the message out for the last time, and did not get rid of it.
    fn redriven(&mut self, delivery: &Delivery, fate: Fate, now: Time) {
        if self.nacked.take(now) {
            let text = "the queue moves the message to its redrive queue without reasons: this was the last receive that maxReceiveCount allows";
            line!(ERROR, "message_redriven", text, self.context(delivery), Some(now), {
                status = topics::status(fate),
                receives = delivery.receives(),
            });
        }
    }

    fn dead_lettered(&mut self, delivery: &Delivery, now: Time) {
        let failure = delivery.trouble().map(|trouble| &trouble.failure);
        let code = self.codes.admit(failure);
        self.topics.of(&delivery.record().source).dead_lettered(code);
        if self.dead.take(now) {
            let destination = delivery.publication(0).map(|publication| publication.destination.to_string());
            line!(WARN, "message_dlq", "a message was stored as a dead letter", self.context(delivery), Some(now), {
                outcome = failure.map(|failure| failure.class.as_str()),
                code = failure.map(|failure| failure.code.as_str()),
                text = failure.map(|failure| context::shown(&failure.text)).as_deref(),
                destination,
            });
        }
    }

    /// A delivery goes on later ([`Action::Troubled`](cofferdam_core::action::Action::Troubled)).
    fn troubled(&mut self, delivery: &Delivery, next: Next, now: Time) {
        self.say_what_was_dropped(now);
        let (index, word, wait) = match next {
            Next::Retry(wait) => (0, "retry", wait),
            Next::Defer(wait) => (1, "defer", wait),
            Next::Hold(wait) => (2, "hold", wait),
            Next::Refused(wait) => (3, "refused", wait),
        };
        self.put_off[index].increment(1);
        let refusal = delivery.refusal();
        if let (Some(refusal), true) = (refusal, index > 1) {
            let (route, destination) = (self.route.name.to_string(), refusal.destination.to_string());
            counter!("cofferdam_refusals_total", "route" => route, "destination" => destination, "next" => word)
                .increment(1);
        }
        let wanted = match next {
            Next::Defer(_) => tracing::enabled!(target: "cofferdam::delivery", tracing::Level::INFO),
            Next::Retry(_) | Next::Hold(_) | Next::Refused(_) => {
                tracing::enabled!(target: "cofferdam::delivery", tracing::Level::WARN)
            }
        };
        // What nobody would see takes no room from what somebody does.
        if !wanted || !self.nacked.take(now) {
            return;
        }
        let mut context = self.context(delivery);
        if matches!(next, Next::Retry(_)) {
            // The machine counts the next one already; the line is about the one that failed.
            context.attempt = context.attempt.saturating_sub(1);
        }
        let held = matches!(next, Next::Hold(_));
        let failure = match delivery.ended().map(|ended| &ended.outcome) {
            Some(Outcome::Failed(failure)) if !held || failure.class == Class::HostFault => Some(&**failure),
            _ => None,
        };
        let destination = refusal.map(|refusal| refusal.destination.to_string());
        let refused_for = refusal.map(|refusal| context::shown(&refusal.text));
        if matches!(next, Next::Refused(_)) {
            let text = "the dead-letter destination rejects every form of the dead letter: the record and its key wait";
            line!(ERROR, "dead_letter_refused", text, context, Some(now), {
                destination,
                text = refused_for.as_deref(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            });
            return;
        }
        // Held without a fault in the attempt: what it leads to cannot be published.
        let class = failure.map_or(Class::HostFault, |failure| failure.class);
        let code = failure.map_or_else(|| self.unavailable(delivery), |failure| failure.code.clone());
        let text = failure.map(|failure| context::shown(&failure.text));
        let (text, destination) = if failure.is_none() && held { (refused_for, destination) } else { (text, None) };
        macro_rules! nacked {
            ($level:ident) => {
                line!($level, "message_nacked", "a message will be retried", context, Some(now), {
                    next = word,
                    wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                    outcome = class.as_str(),
                    code = code.as_str(),
                    text = text.as_deref(),
                    destination = destination.as_deref(),
                })
            };
        }
        match next {
            Next::Defer(_) => nacked!(INFO),
            Next::Retry(_) | Next::Hold(_) | Next::Refused(_) => nacked!(WARN),
        }
    }

    /// Which kind of destination does not take what the delivery leads to.
    fn unavailable(&self, delivery: &Delivery) -> Code {
        let dead_letter = self.route.dead_letter.destination(delivery.record());
        let first = delivery.publication(0).map(|publication| &publication.destination);
        if first == Some(&dead_letter) { Code::DEAD_LETTER_UNAVAILABLE } else { Code::OUTPUT_UNAVAILABLE }
    }

    /// Intake has stopped because messages wait for a destination or the host, or goes on again.
    fn holding(&self, holding: bool) {
        self.holding.set(if holding { 1.0 } else { 0.0 });
        let route = &*self.route.name;
        if holding {
            tracing::warn!(
                event = "intake_stopped",
                route,
                "intake has stopped: messages wait for a destination or for the host, see message_nacked"
            );
        } else {
            tracing::info!(event = "intake_resumed", route, "intake has resumed");
        }
    }

    /// A command has paused the route, or the pause has ended.
    fn paused(&self, paused: bool) {
        self.paused.set(if paused { 1.0 } else { 0.0 });
        let route = &*self.route.name;
        if paused {
            tracing::info!(event = "route_paused", route, "the route is paused: it starts no attempt");
        } else {
            tracing::info!(event = "route_resumed", route, "the pause has ended");
        }
    }

    /// The route stops by itself because too much fails, tries again, or goes on.
    fn circuit(&self, circuit: Circuit) {
        let route = &*self.route.name;
        let open = circuit != Circuit::Closed;
        self.circuit.set(if open { 1.0 } else { 0.0 });
        let breaker = &self.route.breaker;
        let probe_after_ms = u64::try_from(breaker.probe_after.as_millis()).unwrap_or(u64::MAX);
        macro_rules! opened {
            ($what:literal, $($field:tt)*) => {
                tracing::error!(event = "circuit_open", route, probe_after_ms, $($field)*, $what)
            };
        }
        match circuit {
            Circuit::Open(Trip::Failures(failures)) => {
                opened!(
                    "most first attempts failed: intake is paused, check the services that the \
                     handler depends on",
                    failures
                );
            }
            Circuit::Open(Trip::DeadLetters(dead_letters)) => {
                opened!(
                    "most messages became dead letters: intake is paused, check the latest dead letters",
                    dead_letters
                );
            }
            Circuit::Open(Trip::Probe) => {
                tracing::warn!(event = "circuit_open", route, probe_after_ms, "all probes failed: intake stays paused");
            }
            Circuit::Probing => tracing::info!(event = "circuit_probing", route, "trying a few messages"),
            Circuit::Closed => {
                tracing::info!(event = "circuit_closed", route, "a probe succeeded: the route resumes")
            }
        }
    }

    /// The metadata of the group's commit was ignored.
    fn metadata_ignored(&self, partition: &Partition, why: &Ignored) {
        tracing::warn!(
            event = "metadata_ignored",
            route = &*self.route.name,
            consumer_group = self.topics.group(),
            topic = &*partition.topic,
            partition = partition.number,
            reason = %why,
            "ignoring the commit metadata: records above the committed offset may be handled again"
        );
    }

    /// The group has committed these partitions otherwise than this host knows; they are read again from there.
    fn superseded(&self, partitions: &[Partition]) {
        for partition in partitions {
            tracing::warn!(
                event = "offset_superseded",
                route = &*self.route.name,
                consumer_group = self.topics.group(),
                topic = &*partition.topic,
                partition = partition.number,
                "another client changed the committed offset: reading the partition again from there"
            );
        }
    }

    /// No more of a partition is taken in or started, because of records that wait.
    fn blocked(&self, blocked: &Blocked) {
        let Blocked { partition, bound, behind, since } = blocked;
        let [time, offset] = self.of_blocked(partition, *bound);
        time.set(since.as_millis() as f64 / 1_000.0);
        offset.set(*behind as f64);
        tracing::warn!(
            event = "partition_blocked",
            route = &*self.route.name,
            consumer_group = self.topics.group(),
            topic = &*partition.topic,
            partition = partition.number,
            bound = bound.as_str(),
            behind,
            blocked_since = %since,
            "the partition is blocked: waiting records have reached a bound, and intake and new attempts have stopped"
        );
    }

    /// That is over.
    fn unblocked(&self, partition: &Partition) {
        for gauge in [Bound::InFlight, Bound::Metadata].into_iter().flat_map(|bound| self.of_blocked(partition, bound))
        {
            gauge.set(0.0);
        }
        tracing::info!(
            event = "partition_unblocked",
            route = &*self.route.name,
            consumer_group = self.topics.group(),
            topic = &*partition.topic,
            partition = partition.number,
            "the partition is no longer blocked"
        );
    }

    fn of_blocked(&self, partition: &Partition, bound: Bound) -> [Gauge; 2] {
        ["cofferdam_partition_blocked_since_seconds", "cofferdam_partition_blocked_offset"].map(|name| {
            gauge!(
                name,
                "route" => self.route.name.to_string(),
                "topic" => partition.topic.to_string(),
                "partition" => partition.number.to_string(),
                "bound" => bound.as_str()
            )
        })
    }

    /// The route is configured to stop here. `reason` may hold words of a guest.
    fn stopped(&self, reason: &str) {
        let reason = context::shown(reason);
        tracing::error!(event = "route_stopped", route = &*self.route.name, %reason, "the route has stopped");
    }

    /// A thread has been in the handler for long, or none is any more: says so once each time.
    fn stuck(&mut self, stuck: Option<StuckHandler<'_>>) {
        if let Some(StuckHandler { name: plugin, silent_ms }) = stuck.filter(|_| !self.stuck) {
            tracing::error!(
                event = "handler_stuck",
                route = &*self.route.name,
                plugin,
                silent_ms,
                "a thread does not return from the handler; restart the process"
            );
        }
        self.stuck = stuck.is_some();
    }

    /// The group has given partitions or taken them.
    fn rebalance<'a>(&self, change: Change, partitions: impl ExactSizeIterator<Item = &'a Partition>) {
        let count = partitions.len();
        self.rebalances[change as usize].increment(1);
        match change {
            Change::Assigned => self.assigned.increment(count as f64),
            Change::Revoked | Change::Lost => self.assigned.decrement(count as f64),
        }
        let shown: Vec<String> =
            partitions.take(PARTITIONS_SHOWN).map(|one| format!("{}/{}", one.topic, one.number)).collect();
        let (shown, what, route) = (shown.join(" "), change.as_str(), &*self.route.name);
        let consumer_group = self.topics.group();
        match change {
            Change::Assigned | Change::Revoked => {
                tracing::info!(
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

    /// Says how many lines were left out, once the second is over. [`Telemetry::settled`] and [`Telemetry::troubled`] do
    /// it too; each tick does it so that the number is there also when a wave ends all of a sudden.
    fn say_what_was_dropped(&mut self, now: Time) {
        for budget in [&mut self.nacked, &mut self.dead] {
            if let Some(lines) = budget.dropped(now) {
                say_dropped(&self.route, budget.event(), lines);
            }
        }
    }

    fn context<'a>(&'a self, delivery: &'a Delivery) -> Context<'a> {
        Context::of(self, delivery, delivery.ended())
    }
}

/// The last lines that were left out are told too.
impl Drop for Telemetry {
    fn drop(&mut self) {
        self.say_what_was_dropped(Time::from_micros(u64::MAX));
    }
}

fn say_dropped(route: &Route, of: &str, lines: u64) {
    tracing::warn!(event = "lines_dropped", route = &*route.name, of, lines, "log lines were dropped");
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests;
