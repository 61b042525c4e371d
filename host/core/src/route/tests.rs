use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::message::{Header, Headers, Kind, Position};
use crate::output::samples::{queue, topic};
use crate::output::{Output, Publication};
use crate::source::{Lease, SourceTraits};
use crate::time::Time;

fn rule(destination: Destination) -> OutputRule {
    OutputRule { destination, wrapping: Wrapping::Raw, key: None, group: None, deduplication: None, max_bytes: 100 }
}

impl Route {
    /// A route for tests, with the defaults of the documentation.
    pub(crate) fn sample() -> Self {
        Self {
            name: "r".into(),
            service: "shop".into(),
            group: Some("g".into()),
            envelope: Envelope::Raw,
            accept: None,
            order: Order::Key,
            concurrency: 64,
            bounds: Bounds::default(),
            delivery: Guarantee::default(),
            suppress_duplicates: false,
            breaker: Breaker::default(),
            commit_interval: Duration::from_secs(1),
            commit_metadata: crate::progress::LIMIT,
            revoke_timeout: Duration::from_secs(10),
            publish_delay: Duration::ZERO,
            broker: "kafka",
            source: SourceTraits::log(),
            policy: Policy::default(),
            outputs: [].into(),
            dead_letter: DeadLetterRule::BesideSource { broker: "kafka", traits: DestinationTraits::LOG },
            errors: Some(topic("errors")),
        }
    }
}

/// The id of the first output of [`record`], the same in every version, because consumers recognise repeats by it.
const OUTPUT_ID: &str = "e-1/b8036c6236b1ab89/0";

fn route(outputs: &[(&str, OutputRule)]) -> Route {
    Route {
        envelope: Envelope::CloudEvents,
        accept: Some(vec!["order.placed".into()]),
        outputs: outputs.iter().map(|(name, rule)| ((*name).into(), rule.clone())).collect(),
        ..Route::sample()
    }
}

fn record(kind: &str) -> Arc<Record> {
    let text = format!(r#"{{"specversion":"1.0","id":"e-1","source":"/s","type":"{kind}","entityid":"o-1"}}"#);
    Arc::new(Record {
        source: "orders".into(),
        position: Position::Offset { partition: 0, offset: 1 },
        key: Some(Bytes::from_static(b"k")),
        headers: [Header::text("correlation-id", "c-9")].into(),
        payload: Some(Bytes::from(text)),
        timestamp_ms: None,
    })
}

#[test]
fn an_attribute_of_a_queue_that_a_handler_passes_on_keeps_its_type() {
    let passed = |source: SourceTraits, headers: Headers| {
        let record = Record { headers, ..(*record("order.placed")).clone() };
        let route = Route { source, ..route(&[("out", rule(queue("out")))]) };
        let opened = Opened::new(Arc::new(record));
        let message = route.admit(&opened).unwrap();
        // As a handler gives them back: the contract has no types.
        let text = |name: &'static str, value: &'static str| Header::text(name, value);
        let headers = Headers::from([text("price", "1.5"), text("count", "3"), text("raw", "x"), text("new", "1.5")]);
        let output = Output { to: "out".into(), headers, ..Output::default() };
        let sent = route.resolve(message, &route.trace(message), vec![output], Time::default()).unwrap();
        sent[0].headers.iter().take(4).map(|header| header.kind.as_str().to_owned()).collect::<Vec<_>>()
    };
    let typed = || {
        let header = |name: &'static str, value: &'static str, kind| Header { kind, ..Header::text(name, value) };
        let (number, label) = (Kind::Number, Kind::Labelled("Number.int"));
        Headers::from([header("price", "1.5", number), header("count", "3", label), header("raw", "x", Kind::Bytes)])
    };
    let of_queue = passed(SourceTraits::leased_queue(Lease::default(), Duration::MAX), typed());
    assert_eq!(of_queue, ["Number", "Number.int", "Binary", "String"]);
    let of_topic = passed(SourceTraits::log(), typed());
    assert_eq!(of_topic, ["String"; 4], "a topic has no types");
}

fn resolved(route: &Route, output: Output) -> Result<Publication, Failure> {
    let opened = Opened::new(record("order.placed"));
    let message = route.admit(&opened).expect("accepted");
    let trace = route.trace(message);
    Ok(route.resolve(message, &trace, vec![output], Time::from_millis(0))?.remove(0))
}

fn output(to: &str) -> Output {
    Output { to: to.into(), payload: Some(Bytes::from_static(b"{}")), ..Output::default() }
}

#[test]
fn a_type_that_the_route_does_not_take_is_unrouted() {
    let failure = route(&[]).admit(&Opened::new(record("order.lost"))).expect_err("another type");
    assert_eq!((failure.class, failure.code), (Class::Unrouted, Code::NO_ROUTE));
    assert!(failure.text.contains("order.lost"));
}

#[test]
fn an_unknown_output_is_told_with_those_there_are() {
    let route = route(&[("priced", rule(topic("p")))]);
    let failure = resolved(&route, output("prized")).expect_err("unknown");
    assert_eq!(failure.code, Code::UNKNOWN_OUTPUT);
    assert_eq!(&*failure.text, "route `r` has no output `prized`; expected one of: priced");
}

#[test]
fn the_key_is_the_handlers_then_the_templates_then_the_messages() {
    let plain = route(&[("priced", rule(topic("p")))]);
    let key = |route, output| resolved(route, output).expect("resolves").key.expect("a key");
    assert_eq!(key(&plain, output("priced")), "k");
    let template = Template::parse("{entityid}!").ok();
    let templated = route(&[("priced", OutputRule { key: template, ..rule(topic("p")) })]);
    assert_eq!(key(&templated, output("priced")), "o-1!");
    assert_eq!(key(&templated, Output { key: Some(Bytes::from_static(b"own")), ..output("priced") }), "own");
}

#[test]
fn what_the_host_writes_says_when_whence_and_why() {
    let route = route(&[("priced", rule(topic("p")))]);
    let own = Header::text("source", "handler");
    let headers = resolved(&route, Output { headers: [own].into(), ..output("priced") }).expect("resolves").headers;
    assert_eq!(headers.text("timestamp"), Some("1970-01-01T00:00:00.000Z"));
    assert_eq!(headers.text("source"), Some("handler"));
    assert_eq!(headers.text("correlation-id"), Some("c-9"));
    assert_eq!(headers.text("causation-id"), Some("e-1"));
    assert!(headers.text("traceparent").is_some());
}

#[test]
fn the_trace_state_goes_with_the_context_of_its_trace_and_nowhere_else() {
    let route = route(&[("priced", rule(topic("p")))]);
    let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let sent = |context: &str, own: Headers| {
        let headers = [Header::text("traceparent", context), Header::text("tracestate", "a=1,b=2")].into();
        let opened = Opened::new(Arc::new(Record { headers, ..(*record("order.placed")).clone() }));
        let message = route.admit(&opened).unwrap();
        let output = Output { headers: own, ..output("priced") };
        let sent = route.resolve(message, &route.trace(message), vec![output], Time::default()).unwrap();
        let headers = &sent[0].headers;
        [headers.text("traceparent"), headers.text("tracestate")].map(|text| text.unwrap_or_default().to_owned())
    };
    let [parent, state] = sent(context, Headers::default());
    assert!(parent.ends_with("-00") && state == "a=1,b=2", "{parent} {state}");
    assert_eq!(sent("nonsense", Headers::default())[1], "", "it belongs to no trace");
    let own = sent(context, [Header::text("traceparent", context)].into());
    assert_eq!(own, [context, ""], "the handler goes on with a context of its own");
    assert_eq!(sent(context, [Header::text("tracestate", "c=3")].into())[1], "c=3");
}

#[test]
fn a_fifo_queue_gets_a_group_and_an_id_that_repeats_can_be_known_by() {
    let queue = rule(queue("q.fifo"));
    let route = route(&[("tasks", queue)]);
    let publication = resolved(&route, output("tasks")).expect("resolves");
    assert_eq!((publication.group.as_deref(), publication.deduplication.as_deref()), (Some("k"), Some(OUTPUT_ID)));
    let failure = resolved(&route, Output { key: Some(Bytes::from_static(b"\xff")), ..output("tasks") });
    assert_eq!(failure.expect_err("not text").code, Code::INVALID_RESULT);
}

#[test]
fn different_outputs_have_different_ids() {
    let queue = rule(queue("q.fifo"));
    let route = route(&[("tasks", queue)]);
    let id = |route: &Route, from: &Record| {
        let message = route.envelope.decode(&Arc::new(from.clone())).expect("well formed");
        let resolved = route.resolve(&message, &route.trace(&message), vec![output("tasks")], Time::from_millis(0));
        resolved.expect("resolves").remove(0).deduplication.expect("an id")
    };
    let first = record("order.placed");
    let payload = Some(Bytes::from(r#"{"specversion":"1.0","id":"e-1","source":"/other","type":"order.placed"}"#));
    let of_another_source = Record { payload, ..(*first).clone() };
    let raw = Route { envelope: Envelope::Raw, ..route.clone() };
    let of_a_topic_created_anew = Record { timestamp_ms: Some(9), ..(*first).clone() };
    let ids = [
        id(&route, &first),
        id(&route, &of_another_source),
        id(&Route { name: "r2".into(), ..route.clone() }, &first),
        id(&Route { service: "shop2".into(), ..route.clone() }, &first),
        id(&raw, &first),
        id(&raw, &of_a_topic_created_anew),
    ];
    assert_eq!(std::collections::BTreeSet::from_iter(&ids).len(), ids.len(), "{ids:#?}");
    let again =
        Record { position: Position::Offset { partition: 2, offset: 7 }, timestamp_ms: Some(9), ..(*first).clone() };
    assert_eq!(id(&route, &again), ids[0], "the event was sent twice, and is the same");
}

#[test]
fn an_empty_deduplication_id_is_none() {
    let deduplication = Template::parse("{header:task}").ok();
    let queue = OutputRule { deduplication, ..rule(queue("q.fifo")) };
    let empty = Output { headers: [Header::text("task", "")].into(), ..output("tasks") };
    let publication = resolved(&route(&[("tasks", queue)]), empty).expect("resolves");
    assert_eq!(publication.deduplication.as_deref(), Some(OUTPUT_ID), "or the queue takes all of them for one");
}

#[test]
fn an_output_too_large_for_its_destination_is_refused_before_anything_leaves() {
    let route = route(&[("priced", rule(topic("p")))]);
    let failure = resolved(&route, Output { payload: Some(vec![0; 100].into()), ..output("priced") });
    assert_eq!(failure.expect_err("101 bytes").code, Code::OUTPUT_TOO_LARGE);
}

#[test]
fn a_cloud_event_is_binary_on_kafka_and_structured_on_sqs() {
    let wrapped = |destination| OutputRule { wrapping: Wrapping::CloudEvents, max_bytes: 1_000, ..rule(destination) };
    let route = route(&[("kafka", wrapped(topic("p"))), ("sqs", wrapped(queue("q")))]);
    let attributes = vec![("type".into(), "order.priced".into()), ("entityid".into(), "o-1".into())];
    let binary = resolved(&route, Output { attributes: attributes.clone(), ..output("kafka") }).expect("resolves");
    assert_eq!(binary.headers.text("ce_id"), Some(OUTPUT_ID));
    assert_eq!(binary.headers.text("ce_type"), Some("order.priced"));
    assert_eq!(binary.payload.as_deref(), Some(&b"{}"[..]));
    let structured = resolved(&route, Output { attributes, ..output("sqs") }).expect("resolves");
    let event: serde_json::Value = serde_json::from_slice(&structured.payload.expect("an event")).expect("JSON");
    assert_eq!(
        (&event["id"], &event["entityid"], &event["data"]),
        (&OUTPUT_ID.into(), &"o-1".into(), &serde_json::json!({}))
    );
}
