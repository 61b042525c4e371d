//! Metrics of the messages that a route has received and holds in memory.

use metrics::{Counter, Gauge, counter, gauge};

/// Handles of these metrics, for one route.
#[derive(Debug)]
pub(super) struct Intake {
    received: Counter,
    in_flight: Gauge,
    refused: Gauge,
    /// The value that `refused` shows. It seldom changes, so the gauge is set only when it does.
    refused_now: usize,
}

impl Intake {
    pub(super) fn new(route: &str) -> Self {
        let label = || route.to_owned();
        Self {
            received: counter!("cofferdam_received_total", "route" => label()),
            in_flight: gauge!("cofferdam_in_flight", "route" => label()),
            refused: gauge!("cofferdam_refused_dead_letters", "route" => label()),
            refused_now: 0,
        }
    }

    /// Adds `count` received records or messages.
    pub(super) fn received(&self, count: usize) {
        self.received.increment(count as u64);
    }

    /// Sets the number of deliveries in flight.
    pub(super) fn in_flight(&self, deliveries: usize) {
        self.in_flight.set(deliveries as f64);
    }

    /// Sets the number of records that wait because every form of their dead letter is rejected.
    pub(super) fn refused(&mut self, deliveries: usize) {
        if std::mem::replace(&mut self.refused_now, deliveries) != deliveries {
            self.refused.set(deliveries as f64);
        }
    }
}
