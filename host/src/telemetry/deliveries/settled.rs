//! Deliveries that are settled or given back.

use cofferdam_core::action::Fate;
use cofferdam_core::machine::Delivery;
use cofferdam_core::route::Guarantee;
use cofferdam_core::time::Time;

use super::Deliveries;
use crate::telemetry::context::{line, shown};
use crate::telemetry::topics::status;

impl Deliveries {
    /// Counts and logs a delivery that has ended ([`Action::Settled`](cofferdam_core::action::Action::Settled)).
    pub(in crate::telemetry) fn settled(&mut self, delivery: &Delivery, fate: Fate, now: Time) {
        self.report_dropped(now);
        let topic = self.topics.of(&delivery.record().source);
        topic.consumed(fate).increment(1);
        let given_away = matches!(fate, Fate::Released | Fate::Revoked | Fate::Abandoned);
        if given_away && delivery.is_last_receive(&self.route.source) {
            return self.redriven(delivery, fate, now);
        }
        match fate {
            Fate::Done | Fate::Ignored | Fate::Duplicate => {
                line!(DEBUG, "message_acked", "a message was acknowledged", self.context(delivery), Some(now), {
                    status = status(fate),
                });
            }
            Fate::DeadLettered => self.dead_lettered(delivery, now),
            Fate::Released | Fate::Revoked => {
                line!(DEBUG, "message_nacked", "a message was released to its source", self.context(delivery), Some(now), {
                    next = status(fate),
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

    /// Logs that the redrive policy of the queue moves the message, because its last receive did not settle it.
    fn redriven(&mut self, delivery: &Delivery, fate: Fate, now: Time) {
        if self.nacked.take(now) {
            let text = "the queue moves the message to its redrive queue without reason headers: this was the last receive that maxReceiveCount allows";
            line!(ERROR, "message_redriven", text, self.context(delivery), Some(now), {
                status = status(fate),
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
                text = failure.map(|failure| shown(&failure.text)).as_deref(),
                destination,
            });
        }
    }
}
