//! Metrics and log lines of deliveries and their attempts.

mod put_off;
mod settled;

use std::sync::Arc;

use cofferdam_core::event::Ended;
use cofferdam_core::machine::Delivery;
use cofferdam_core::outcome::Outcome;
use cofferdam_core::route::Route;
use cofferdam_core::time::Time;
use metrics::{Counter, Histogram, counter, histogram};

use super::TARGET;
use super::budget::Budget;
use super::codes::Codes;
use super::context::{Context, line};
use super::topics::Topics;

/// Handles of these metrics for one route, and the limits on its log lines.
#[derive(Debug)]
pub(super) struct Deliveries {
    route: Arc<Route>,
    topics: Topics,
    codes: Codes,
    put_off: [Counter; 4],
    guest_cpu: Histogram,
    guest_memory: Histogram,
    nacked: Budget,
    dead: Budget,
}

impl Deliveries {
    /// `group` is the label `consumer_group`.
    pub(super) fn new(route: Arc<Route>, group: Arc<str>) -> Self {
        let name: Arc<str> = route.name.clone().into();
        let label = || Arc::clone(&name);
        Self {
            topics: Topics::new(group),
            codes: Codes::new(label()),
            put_off: ["retry", "defer", "hold", "refused"]
                .map(|next| counter!("cofferdam_rescheduled_total", "route" => label(), "next" => next)),
            guest_cpu: histogram!("cofferdam_guest_cpu_seconds", "route" => label()),
            guest_memory: histogram!("cofferdam_guest_memory_peak_bytes", "route" => label()),
            nacked: Budget::new("message_nacked"),
            dead: Budget::new("message_dlq"),
            route,
        }
    }

    /// Counts and logs an attempt that has ended. Must be called before the machine handles the event.
    pub(super) fn ended(&mut self, delivery: &Delivery, ended: &Ended) {
        let failure = match &ended.outcome {
            Outcome::Done(_) => None,
            Outcome::Failed(failure) => Some(&**failure),
        };
        self.codes.ended(failure);
        // Without a call of the handler there is no usage.
        if ended.handler.is_some() {
            let usage = &ended.usage;
            self.topics.of(&delivery.record().source).duration.record(seconds(usage.wall_us));
            self.guest_cpu.record(seconds(usage.cpu_us));
            self.guest_memory.record(usage.memory_peak_bytes as f64);
        }
        let context = || Context::of(&self.route, self.topics.group(), delivery, Some(ended));
        line!(DEBUG, "message_consumed", "an attempt has ended", context(), None, {
            outcome = ended.outcome.class().as_str(),
            code = failure.map(|failure| failure.code.as_str()),
            duration_ms = ended.usage.wall_us as f64 / 1_000.0,
        });
    }

    /// Logs a durable publication of the delivery.
    pub(super) fn produced(&self, delivery: &Delivery, index: u32, now: Time) {
        let destination = || delivery.publication(index).map(|publication| publication.destination.to_string());
        line!(DEBUG, "message_produced", "a publication is durable", self.context(delivery), Some(now), {
            destination = destination(),
        });
    }

    /// Logs how many lines were dropped, once their second is over. [`Self::settled`] and [`Self::troubled`] call it.
    /// Each tick calls it too, so that the number is logged even if no further message fails.
    pub(super) fn report_dropped(&mut self, now: Time) {
        for budget in [&mut self.nacked, &mut self.dead] {
            if let Some(lines) = budget.dropped(now) {
                say_dropped(&self.route, budget.event(), lines);
            }
        }
    }

    fn context<'a>(&'a self, delivery: &'a Delivery) -> Context<'a> {
        Context::of(&self.route, self.topics.group(), delivery, delivery.ended())
    }
}

/// Logs the remaining number of dropped lines.
impl Drop for Deliveries {
    fn drop(&mut self) {
        self.report_dropped(Time::from_micros(u64::MAX));
    }
}

fn say_dropped(route: &Route, of: &str, lines: u64) {
    tracing::warn!(target: TARGET, event = "lines_dropped", route = &*route.name, of, lines, "log lines were dropped");
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
