//! What scenarios begin with: routes, records, failures and refusals.

use std::time::Duration;

use cofferdam_core::Order;
use cofferdam_core::breaker::Breaker;
use cofferdam_core::envelope::Envelope;
use cofferdam_core::event::{Partition, Refusal};
use cofferdam_core::message::{Headers, Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::{Destination, DestinationTraits, Publication};
use cofferdam_core::progress::LIMIT;
use cofferdam_core::retry::Retry;
use cofferdam_core::route::{Bounds, DeadLetterRule, Guarantee, Route};
use cofferdam_core::source::{Lease, SourceTraits};
use cofferdam_core::verdict::Policy;

use super::SECOND;

/// Every wait exact, four attempts at once.
pub fn route() -> Route {
    Route {
        name: "r".into(),
        service: "shop".into(),
        group: Some("g".into()),
        envelope: Envelope::Raw,
        accept: None,
        order: Order::Key,
        concurrency: 4,
        bounds: Bounds { messages: 100, bytes: 100_000 },
        delivery: Guarantee::AtLeastOnce,
        suppress_duplicates: false,
        breaker: Breaker { failures: 0, dead_letters: 0, ..Breaker::default() },
        commit_interval: SECOND,
        commit_metadata: LIMIT,
        revoke_timeout: 10 * SECOND,
        publish_delay: Duration::ZERO,
        broker: "kafka",
        source: SourceTraits::log(),
        policy: Policy { retry: Retry { jitter: 0.0, ..Retry::default() }, ..Policy::default() },
        outputs: [].into(),
        dead_letter: DeadLetterRule::To(topic("dead")),
        errors: Some(topic("errors")),
    }
}

/// The same for a queue that leases messages.
pub fn queue_route() -> Route {
    let source = SourceTraits::leased_queue(Lease::default(), 12 * 3_600 * SECOND);
    Route { source, group: None, ..route() }
}

/// The same for a queue as those of AMQP: without leases and delays. A message is the consumer's until it is acknowledged or
/// returned, or until the connection ends. Some such queues count deliveries.
pub fn unleased_route(counts_deliveries: bool) -> Route {
    let queue = queue_route();
    let source = SourceTraits { lease: None, longest_delay: None, counts_deliveries, ..queue.source };
    Route { source, ..queue }
}

/// A failure of this class.
pub fn failure(class: Class) -> Failure {
    Failure::new(class, Code::of_handler("SOME"), "as told")
}

/// A partition of the topic.
pub fn partition(number: i32) -> Partition {
    Partition { topic: "t".into(), number }
}

/// A topic to write to.
pub fn topic(name: &str) -> Destination {
    Destination::new("kafka", name, DestinationTraits::LOG)
}

/// A record of the topic, without a key, headers and a payload.
pub fn record(partition: i32, offset: i64) -> Record {
    Record {
        source: "t".into(),
        position: Position::Offset { partition, offset },
        key: None,
        headers: Headers::default(),
        payload: None,
        timestamp_ms: None,
    }
}

/// An output without a key, headers and a payload.
pub fn output() -> Publication {
    Publication {
        destination: topic("out"),
        key: None,
        headers: Headers::default(),
        payload: None,
        timestamp_ms: None,
        group: None,
        deduplication: None,
    }
}

/// What a sink says that cannot be reached.
pub fn unavailable() -> Option<Refusal> {
    Some(Refusal::Unavailable("no broker answers".into()))
}

/// What a sink says that will never take it.
pub fn rejected() -> Option<Refusal> {
    Some(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, "1 MB is the most".into()))
}

/// What a sink says that will never take it, whatever its size.
pub fn invalid() -> Option<Refusal> {
    Some(Refusal::Rejected(Code::INVALID_RESULT, "the topic is compacted and the output has no key".into()))
}
