//! What a history is judged by.

use std::time::Duration;

use cofferdam_core::route::{Guarantee, Route};
use cofferdam_core::verdict::Unrouted;

/// What the route of a history says that the judge has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How often a record may have its effects.
    pub delivery: Guarantee,
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// A failure leads to an error event beside the dead letter.
    pub error_events: bool,
    /// What the route does not take is acknowledged.
    pub ignores_unrouted: bool,
    /// Most records in flight in one host.
    pub in_flight: u32,
    /// The source counts deliveries, so attempts that one host has made on a message are known to another.
    pub counts_deliveries: bool,
    /// A reader of a destination sees what comes of one lane in the order of the lane. Not so at most once: what is
    /// acknowledged first may be handled while another host has the next record already.
    pub sinks_keep_order: bool,
    /// Attempts on one record end in the same way, so what comes of it stands in its place however often it is handled. The
    /// simulated handlers do not: where the first attempt leads to nothing and is repeated after a fault, its outputs come
    /// late.
    pub handlers_agree: bool,
    /// The history was given the time to end: nothing may be outstanding.
    pub comes_to_an_end: bool,
    /// How soon a record has to come to its end.
    pub limit: Option<Limit>,
}

/// How soon a record has to come to its end, whatever becomes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The longest time.
    pub within: Duration,
    /// From when on.
    pub since: Since,
}

/// From when on it is counted how long a record takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From the receipt by the host that brings it to its end: of records that no fault has struck meanwhile.
    Receipt,
    /// From [`What::Calm`](crate::What::Calm), or from its production where that is later.
    Calm,
}

impl Terms {
    pub(crate) fn is_at_most_once(&self) -> bool {
        self.delivery == Guarantee::AtMostOnce
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.delivery == Guarantee::ExactlyOnce
    }

    /// The terms of a route, for a history that comes to its end.
    pub fn of(route: &Route) -> Self {
        Self {
            delivery: route.delivery,
            max_attempts: route.policy.retry.max_attempts,
            error_events: route.errors.is_some(),
            ignores_unrouted: route.policy.unrouted == Unrouted::Ignore,
            in_flight: route.bounds.messages,
            counts_deliveries: route.source.counts_deliveries,
            sinks_keep_order: route.delivery != Guarantee::AtMostOnce,
            handlers_agree: false,
            comes_to_an_end: true,
            limit: None,
        }
    }
}
