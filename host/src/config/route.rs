//! `[[routes]]`: from one source through one handler to its outputs.

mod breaker;
mod destination;
mod envelope;
mod outputs;
mod policy;
mod source;

use std::time::Duration;

use cofferdam_core::Order;
use cofferdam_core::progress;
use cofferdam_core::route::{Bounds, DeadLetterRule, Guarantee, Route};

use super::read::{At, Table, Value, identifier};
use super::sections::Kafka;
use crate::broker::kafka::properties::fit;
use crate::broker::{kafka, sqs};
use crate::plan::{RouteConfig, Source};
use destination::destination;
pub(super) use outputs::Places as OutputPlaces;

/// A route, with the places of its parts in the file.
pub(super) struct Read {
    pub(super) route: RouteConfig,
    pub(super) name_at: At,
    pub(super) handler_at: Option<At>,
    pub(super) from_at: Option<At>,
    pub(super) dead_letter_at: At,
    pub(super) errors_at: At,
    pub(super) accept_at: At,
    pub(super) delivery_at: At,
    pub(super) outputs: Vec<OutputPlaces>,
}

pub(super) fn routes(file: &Table<'_>, service: &str, kafka: Option<&Kafka>) -> Vec<Read> {
    let remedy = "write [[routes]] with name, from and handler below it";
    let Some(section) = file.require("routes", remedy) else { return Vec::new() };
    let Some(list) = section.list("[[routes]]") else { return Vec::new() };
    if list.is_empty() {
        section.problem("no route is configured", remedy);
    }
    let route = |value: &Value<'_>| value.table("[[routes]]", |table| route(table, service, kafka));
    list.iter().filter_map(route).collect()
}

fn route(table: &Table<'_>, service: &str, kafka: Option<&Kafka>) -> Read {
    let place = |key| table.get(key).map_or(table.at().clone(), |value| value.at().clone());
    let name = table.require("name", "name the route, for example name = \"price-orders\"");
    let handler = table.require("handler", "name one of the plugins, for example handler = \"price\"");
    let source = source::source(table);
    let is_log = !source.traits.acknowledges_each();
    let envelope = table.get("envelope").and_then(|value| envelope::envelope(&value)).unwrap_or_default();
    let (outputs, output_places) = outputs::outputs(table, &envelope, kafka);
    let dead_letter = table.get("dead_letter").and_then(|value| destination(&value)).map(DeadLetterRule::To);
    let words = [
        ("at_least_once", Guarantee::AtLeastOnce),
        ("at_most_once", Guarantee::AtMostOnce),
        ("exactly_once", Guarantee::ExactlyOnce),
    ];
    let delivery = table.get("delivery").and_then(|value| value.choice(&words)).unwrap_or_default();
    // Consumers can read outputs only after the commit of their transaction.
    let commit_interval = Duration::from_millis(if delivery == Guarantee::ExactlyOnce { 100 } else { 1_000 });
    let words = [("allow", false), ("suppress", true)];
    let suppress_duplicates = table.get("duplicates").and_then(|value| value.choice(&words)).unwrap_or_default();
    let orders = [("key", Order::Key), ("partition", Order::Partition), ("none", Order::None)];
    let route = Route {
        name: name.as_ref().and_then(|name| name.name("price-orders", identifier)).unwrap_or_default().into(),
        service: service.into(),
        group: source.group.as_deref().map(Into::into),
        accept: table.get("accept").and_then(|value| accept(&value)),
        order: table.get("order").and_then(|value| value.choice(&orders)).unwrap_or_default(),
        concurrency: table.get("concurrency").and_then(|value| value.integer(1..=1000)).unwrap_or(64),
        bounds: table.get("max_in_flight").and_then(|value| in_flight(&value)).unwrap_or_default(),
        delivery,
        suppress_duplicates,
        breaker: breaker::breaker(table),
        commit_interval: on_kafka(table, "commit_interval", is_log, commit_interval),
        commit_metadata: progress::LIMIT,
        revoke_timeout: on_kafka(table, "revoke_timeout", is_log, Duration::from_secs(10)),
        publish_delay: kafka.map(|kafka| fit::linger(&kafka.properties.0)).unwrap_or_default(),
        broker: source.broker,
        source: source.traits,
        policy: policy::policy(table),
        dead_letter: dead_letter.clone().unwrap_or_else(|| default_letters(service, &source)),
        errors: table.get("errors").and_then(|value| destination(&value)),
        envelope,
        outputs,
    };
    let dead_letter = dead_letter.or_else(|| is_log.then(kafka::letters_beside));
    let known = handler.as_ref().and_then(|handler| handler.full_text("price"));
    Read {
        name_at: place("name"),
        handler_at: handler.filter(|_| known.is_some()).map(|value| value.at().clone()),
        from_at: table.get("from").filter(|_| source.is_complete()).map(|value| value.at().clone()),
        dead_letter_at: place("dead_letter"),
        errors_at: place("errors"),
        accept_at: place("accept"),
        delivery_at: place("delivery"),
        outputs: output_places,
        route: RouteConfig::new(known.unwrap_or_default(), source, dead_letter, route),
    }
}

/// The default destination of dead letters: on Kafka a topic for each source topic, on SQS a queue of the service.
fn default_letters(service: &str, source: &Source) -> DeadLetterRule {
    match source.named().next() {
        Some(queue) if source.broker == sqs::NAME => DeadLetterRule::To(sqs::letters_of(service, queue)),
        _ => kafka::letters_beside(),
    }
}

fn accept(value: &Value<'_>) -> Option<Vec<Box<str>>> {
    let list = value.list("[\"order.placed\"]")?;
    if list.is_empty() {
        value.problem(
            "the list of event types is empty: the route would accept no message",
            "name an event type, or leave accept out for all types",
        );
    }
    Some(list.iter().filter_map(|kind| kind.full_text("order.placed")).map(Into::into).collect())
}

fn in_flight(value: &Value<'_>) -> Option<Bounds> {
    value.table("{ messages = 10000, bytes = \"64MiB\" }", |table| {
        let default = Bounds::default();
        let messages = table.get("messages").and_then(|value| value.integer(1..=1_000_000));
        let bytes = table.get("bytes").and_then(|value| value.size(1 << 10..=16 << 30));
        Bounds { messages: messages.unwrap_or(default.messages), bytes: bytes.unwrap_or(default.bytes) }
    })
}

/// A duration of 10 ms to 5 min that only routes from Kafka have.
fn on_kafka(table: &Table<'_>, key: &'static str, is_log: bool, default: Duration) -> Duration {
    let Some(value) = table.get(key) else { return default };
    if !is_log {
        value.refuse(
            "only a route with a kafka source has this key: sqs has no commits and no partitions",
            "leave it out",
        );
    }
    value.duration(Duration::from_millis(10)..=Duration::from_secs(300)).unwrap_or(default)
}
