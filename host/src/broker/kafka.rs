//! Kafka: sources, sinks and dead letters, and what they have in common.
//!
//! [`properties`] is how one configuration becomes clients, [`topics`] sees to it that topics exist, `expression` says which topics an
//! expression stands for, `headers` reads
//! and writes headers that are not text, `offsets` are what is committed, `waker` wakes
//! the thread that serves a client, `mock` knows the cluster of `dev`, `revival` brings one back that has forgotten its brokers,
//! `rights` are what this user may do, and `journal` is where the
//! client library's own words go.

pub mod dead_letters;
#[cfg(feature = "embedded")]
pub mod embedded;
pub(crate) mod expression;
pub(crate) mod headers;
pub(crate) mod journal;
pub(crate) mod mock;
pub(crate) mod offsets;
pub mod properties;
pub(crate) mod revival;
pub mod rights;
pub mod sink;
pub mod source;
pub mod topics;
pub(crate) mod waker;
mod words;

use std::sync::Arc;

use cofferdam_core::output::{Destination, DestinationTraits};
use cofferdam_core::route::DeadLetterRule;

use crate::dead_letters::origins::{Origins, Pattern};
use expression::Expression;

/// The word of the configuration for Kafka.
pub const NAME: &str = "kafka";

/// Dead letters beside their topic: `orders.dlq` for `orders`.
pub fn letters_beside() -> DeadLetterRule {
    DeadLetterRule::BesideSource { broker: NAME, traits: DestinationTraits::LOG }
}

/// Adds a topic that a route reads, or an expression for topics that begins with `^`. One that is not understood matches
/// nothing.
pub fn add_origin(topic: &str, origins: &mut Origins) {
    if !topic.starts_with('^') {
        return origins.add(self::topic(topic));
    }
    if let Ok(expression) = Expression::new(topic) {
        let takes = move |to: &Destination| to.broker == NAME && expression.matches(&to.name);
        origins.add_pattern(Pattern::new(takes));
    }
}

/// A topic to write to.
pub fn topic(name: impl Into<Arc<str>>) -> Destination {
    Destination::new(NAME, name, DestinationTraits::LOG)
}
