//! Kafka: sources, sinks and dead letters, and their common parts.
//!
//! [`properties`] turns one configuration into the settings of each client, and [`topics`] creates missing topics.
//! `expression` matches topic names against regular expressions, `headers` reads and writes headers that are not text,
//! and `offsets` converts committed offsets and their metadata. `waker` wakes the thread that serves a client, `mock`
//! recognises the cluster of `dev`, `revival` reconnects a client that has forgotten its brokers, and `rights` reads
//! the permissions of this user. `verify` is the part of `cofferdam verify`, and `journal` receives the log lines of
//! librdkafka.

mod conditions;
mod connection;
pub mod dead_letters;
#[cfg(feature = "embedded")]
pub mod embedded;
pub(crate) mod expression;
pub(crate) mod headers;
mod health;
pub(crate) mod journal;
pub(crate) mod mock;
pub(crate) mod offsets;
pub mod properties;
pub(crate) mod revival;
pub mod rights;
pub mod settings;
pub mod sink;
pub mod source;
pub mod topics;
mod verify;
pub(crate) mod waker;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_core::output::{Destination, DestinationTraits};
use cofferdam_core::route::DeadLetterRule;

use crate::broker::{Fit, Kind};
use crate::dead_letters::origins::{Origins, Pattern};
use crate::plan::{Kind as Purpose, RouteConfig};
pub use connection::Connection;
use expression::Expression;

/// The name of Kafka in the configuration.
pub const NAME: &str = "kafka";

/// The rule for the default dead-letter topics: `orders.dlq` for `orders`.
pub fn letters_beside() -> DeadLetterRule {
    DeadLetterRule::BesideSource { broker: NAME, traits: DestinationTraits::LOG }
}

/// Adds a topic that a route reads, or a regular expression for topics, which begins with `^`. An invalid expression
/// matches nothing.
pub fn add_origin(topic: &str, origins: &mut Origins) {
    if !topic.starts_with('^') {
        return origins.add(self::topic(topic));
    }
    if let Ok(expression) = Expression::new(topic) {
        let takes = move |to: &Destination| to.broker == NAME && expression.matches(&to.name);
        origins.add_pattern(Pattern::new(takes));
    }
}

/// Returns all topics that the routes name, with their purpose. A topic with both purposes counts as one for errors.
/// Topics that a regular expression matches, and their dead-letter topics, are known only after the start.
pub fn topics_of(routes: &[RouteConfig]) -> BTreeMap<String, Purpose> {
    let mut topics = BTreeMap::new();
    let mut add = |name: &str, kind: Purpose| {
        let known = topics.entry(name.to_owned()).or_insert(kind);
        *known = kind.max(*known);
    };
    for route in routes {
        for name in route.source.named().filter(|_| route.source.broker == NAME) {
            add(name, Purpose::Standard);
            if let Some(rule @ DeadLetterRule::BesideSource { .. }) = &route.dead_letter {
                add(&rule.beside(name).name, Purpose::Error);
            }
        }
        for (destination, kind) in route.destinations().filter(|(destination, _)| destination.broker == NAME) {
            add(&destination.name, kind);
        }
    }
    topics
}

/// The description of Kafka for code that works with any broker.
pub const KIND: Kind = Kind {
    name: NAME,
    destination: |name| topic(name),
    known_as: |name| name,
    named: |routes| topics_of(routes).into_keys().collect(),
    // The name of a queue contains no dot, except in the suffix `.fifo`.
    fits: |name| if name.contains('.') && !name.ends_with(".fifo") { Fit::Likely } else { Fit::Maybe },
    matches: |expression, name| Expression::new(expression).is_ok_and(|expression| expression.matches(name)),
    is_open: true,
    verify: &verify::SIDE,
};

/// The destination for a topic.
pub fn topic(name: impl Into<Arc<str>>) -> Destination {
    Destination::new(NAME, name, DestinationTraits::LOG)
}
