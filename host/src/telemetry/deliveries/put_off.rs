//! Deliveries that wait for a further attempt.

use cofferdam_core::action::Next;
use cofferdam_core::machine::Delivery;
use cofferdam_core::outcome::{Class, Code, Outcome};
use cofferdam_core::time::Time;
use metrics::counter;

use super::Deliveries;
use crate::telemetry::context::{line, shown};

impl Deliveries {
    /// Counts and logs a delivery that waits for a further attempt
    /// ([`Action::Troubled`](cofferdam_core::action::Action::Troubled)).
    pub(in crate::telemetry) fn troubled(&mut self, delivery: &Delivery, next: Next, now: Time) {
        self.report_dropped(now);
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
        // A line below the log level must not use up the rate limit.
        if !wanted || !self.nacked.take(now) {
            return;
        }
        let mut context = self.context(delivery);
        if matches!(next, Next::Retry(_)) {
            // The machine has already counted the next attempt; the line is about the failed one.
            context.attempt = context.attempt.saturating_sub(1);
        }
        let held = matches!(next, Next::Hold(_));
        let failure = match delivery.ended().map(|ended| &ended.outcome) {
            Some(Outcome::Failed(failure)) if !held || failure.class == Class::HostFault => Some(&**failure),
            _ => None,
        };
        let destination = refusal.map(|refusal| refusal.destination.to_string());
        let refused_for = refusal.map(|refusal| shown(&refusal.text));
        if matches!(next, Next::Refused(_)) {
            let text = "the dead-letter destination rejects every form of the dead letter: the record and its key wait";
            line!(ERROR, "dead_letter_refused", text, context, Some(now), {
                destination,
                text = refused_for.as_deref(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            });
            return;
        }
        // Held although the attempt did not fail: its event id cannot be recorded, or its outputs or its dead letter cannot be
        // published.
        let unrecorded = delivery.unrecorded().filter(|_| failure.is_none() && held);
        let class = failure.map_or(Class::HostFault, |failure| failure.class);
        let code = match (failure, unrecorded) {
            (Some(failure), _) => failure.code.clone(),
            (None, Some(_)) => Code::STORE_UNAVAILABLE,
            (None, None) => self.unavailable(delivery),
        };
        let text = failure.map(|failure| shown(&failure.text));
        let (text, destination) = match unrecorded {
            Some(unrecorded) => (Some(shown(unrecorded)), None),
            None if failure.is_none() && held => (refused_for, destination),
            None => (text, None),
        };
        macro_rules! nacked {
            ($level:ident, $text:literal) => {
                line!($level, "message_nacked", $text, context, Some(now), {
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
            Next::Defer(_) => nacked!(INFO, "the handler deferred a message"),
            Next::Retry(_) => nacked!(WARN, "a message failed and will be retried"),
            Next::Hold(_) | Next::Refused(_) => {
                nacked!(WARN, "a message waits: a destination is unavailable, or the host has a fault")
            }
        }
    }

    /// Returns the code for the kind of destination that rejects the publications of the delivery.
    fn unavailable(&self, delivery: &Delivery) -> Code {
        let dead_letter = self.route.dead_letter.destination(delivery.record());
        let first = delivery.publication(0).map(|publication| &publication.destination);
        if first == Some(&dead_letter) { Code::DEAD_LETTER_UNAVAILABLE } else { Code::OUTPUT_UNAVAILABLE }
    }
}
