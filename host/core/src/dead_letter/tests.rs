//! What stands in the two records of a failure.

mod back;

use super::*;
use crate::outcome::Code;
use crate::output::Layout;
use crate::output::samples::{queue, topic};
use crate::route::DeadLetterRule;
use crate::source::SourceTraits;

const NOW: Time = Time::from_millis(90_000);

/// All that can be known of a failure.
struct Known {
    profile: &'static dyn Profile,
    route: Route,
    record: Record,
    failure: Failure,
    reason: Reason,
    attempts: Vec<Attempt>,
    handler: Option<Arc<HandlerId>>,
    trace: Trace,
}

fn known() -> Known {
    let failure = Failure {
        backtrace: vec!["price::handle".into(), "price::main".into()],
        ..Failure::new(Class::Trapped, Code::TRAP_UNREACHABLE, "unreachable")
    };
    let earlier = Attempt::new(&Failure::new(Class::TimedOut, Code::TIMEOUT, "no answer"), Time::from_millis(60_000));
    let newest = Attempt::new(&failure, NOW);
    Known {
        profile: PROFILE,
        route: Route::sample(),
        record: Record {
            source: "orders".into(),
            position: Position::Offset { partition: 3, offset: 42 },
            key: Some(Bytes::from_static(b"k\xff")),
            headers: [Header { name: b"n", value: None, kind: Default::default() }, Header::bytes("n", b"\xfe")].into(),
            payload: Some(Bytes::from_static(b"{ \"a\": 1 }")),
            timestamp_ms: Some(5_000),
        },
        failure,
        reason: Reason::AttemptsExhausted,
        attempts: vec![earlier, newest],
        handler: Some(Arc::new(HandlerId { name: "price".into(), digest: "sha256:ab".into() })),
        trace: Trace {
            message: "e-1".into(),
            correlation: "c-1".into(),
            traceparent: Some("00-1-2-01".into()),
            tracestate: None,
        },
    }
}

impl Known {
    fn publications(&self) -> Vec<Publication> {
        let layout = match self.record.position {
            Position::Offset { .. } => Layout::Record,
            Position::MessageId(_) => Layout::Attributes,
        };
        let route = Route { source: SourceTraits { layout, ..self.route.source }, ..self.route.clone() };
        let report = Report {
            profile: self.profile,
            assumed: 0,
            route: &route,
            record: &self.record,
            failure: &self.failure,
            reason: self.reason,
            attempt: 2,
            attempts: &self.attempts,
            handler: self.handler.as_ref(),
            usage: Usage { wall_us: 7, ..Usage::default() },
            trace: &self.trace,
            now: NOW,
        };
        report.publications()
    }

    fn dead_letter(&self) -> Publication {
        self.publications().swap_remove(0)
    }

    fn error_event(&self) -> Value {
        let payload = self.publications()[1].payload.clone().expect("an event has content");
        serde_json::from_slice(&payload).expect("an event is JSON")
    }

    fn with_queue(mut self, name: &str) -> Self {
        self.route.dead_letter = DeadLetterRule::To(queue(name));
        self
    }
}

fn text(header: Header<'_>) -> (&str, &str) {
    let value = header.value.expect("reasons have values");
    (std::str::from_utf8(header.name).expect("text"), std::str::from_utf8(value).expect("text"))
}

#[test]
fn the_original_is_kept_byte_for_byte_with_the_reasons_behind_its_own_headers() {
    let known = known();
    let dead = known.dead_letter();
    assert_eq!((&dead.key, &dead.payload), (&known.record.key, &known.record.payload));
    assert_eq!(dead.timestamp_ms, Some(5_000));
    assert!(dead.headers.iter().take(2).eq(known.record.headers.iter()));
    let reasons: Vec<_> = dead.headers.iter().skip(2).map(text).collect();
    let attempts = concat!(
        r#"[{"time":"1970-01-01T00:01:00.000Z","outcome":"timed_out","code":"TIMEOUT","text":"no answer"},"#,
        r#"{"time":"1970-01-01T00:01:30.000Z","outcome":"trapped","code":"TRAP_UNREACHABLE","text":"unreachable"}]"#
    );
    let usage = r#"{"wall_us":7,"cpu_us":0,"memory_peak_bytes":0,"host_calls":0,"output_bytes":0}"#;
    let expected = [
        ("cofferdam-dlq-outcome", "trapped"),
        ("cofferdam-dlq-code", "TRAP_UNREACHABLE"),
        ("cofferdam-dlq-text", "unreachable (not retried: no attempts left)"),
        ("cofferdam-dlq-route", "r"),
        ("cofferdam-dlq-plugin", "price"),
        ("cofferdam-dlq-plugin-digest", "sha256:ab"),
        ("cofferdam-dlq-attempt", "2"),
        ("cofferdam-dlq-attempts", attempts),
        ("cofferdam-dlq-first-failure", "1970-01-01T00:01:00.000Z"),
        ("cofferdam-dlq-last-failure", "1970-01-01T00:01:30.000Z"),
        ("cofferdam-dlq-source-broker", "kafka"),
        ("cofferdam-dlq-source", "orders"),
        ("cofferdam-dlq-position", "3/42"),
        ("cofferdam-dlq-timestamp", "1970-01-01T00:00:05.000Z"),
        ("cofferdam-dlq-group", "g"),
        ("cofferdam-dlq-usage", usage),
        ("cofferdam-dlq-backtrace", "0: price::handle\n1: price::main\n"),
        ("cofferdam-dlq-trace", "00-1-2-01"),
        ("cofferdam-dlq-correlation", "c-1"),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(text_of(&dead).as_deref(), Some(expected[2].1));
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut known = known();
    known.handler = None;
    known.route.group = None;
    known.record.timestamp_ms = None;
    known.failure.backtrace.clear();
    known.trace = Trace::default();
    let dead = known.dead_letter();
    let names: Vec<_> =
        dead.headers.iter().skip(2).map(|header| text(header).0.trim_start_matches(cofferdam::PREFIX)).collect();
    let expected = [
        "outcome",
        "code",
        "text",
        "route",
        "attempt",
        "attempts",
        "first-failure",
        "last-failure",
        "source-broker",
        "source",
        "position",
        "usage",
    ];
    assert_eq!(names, expected);
    assert_eq!(known.error_event()["messageId"], "orders/3/42");
}

#[test]
fn a_tombstone_stays_one() {
    let mut known = known();
    known.record.payload = None;
    assert_eq!(known.dead_letter().payload, None);
    assert_eq!(known.error_event()["originalMessage"], Value::Null);
}

#[test]
fn on_a_queue_the_reasons_are_one_attribute() {
    let dead = known().with_queue("dead").dead_letter();
    assert_eq!(dead.headers.len(), 3);
    let last = dead.headers.iter().nth(2).expect("the third");
    let (name, json) = text(last);
    let reasons: Value = serde_json::from_str(json).unwrap();
    assert_eq!(name, "cofferdam-dlq");
    assert_eq!(last.kind, crate::message::Kind::Text);
    assert_eq!(reasons["outcome"], "trapped");
    assert_eq!(reasons["attempts"][0]["code"], "TIMEOUT");
    assert_eq!(reasons["usage"]["wall_us"], 7);
    assert_eq!((dead.group, dead.deduplication), (None, None), "a standard queue has no groups");
}

#[test]
fn an_original_with_ten_attributes_keeps_them_all() {
    let mut known = known().with_queue("dead");
    known.record.headers = ["h-0", "h-1", "h-2", "h-3", "h-4", "h-5", "h-6", "h-7", "h-8", "h-9"]
        .map(|name| Header::text(name, "x"))
        .into();
    let headers = known.dead_letter().headers;
    assert!(headers.iter().take(10).eq(known.record.headers.iter()));
    assert_eq!(text(headers.iter().nth(10).expect("the eleventh")).0, "cofferdam-dlq", "the sink makes room for it");
}

#[test]
fn fifo_to_fifo_keeps_the_group() {
    let mut known = known().with_queue("dead.fifo");
    known.record.key = Some(Bytes::from_static(b"order-7"));
    known.record.position = Position::MessageId("m-1".into());
    let dead = known.dead_letter();
    assert_eq!((dead.group.as_deref(), dead.deduplication.as_deref()), (Some("order-7"), Some("m-1")));
}

#[test]
fn a_key_that_cannot_be_a_group_does_not_make_the_dead_letter_invalid() {
    let mut known = known().with_queue("dead.fifo");
    for key in [&b"k\xff"[..], b"", b"two words", &[b'x'; 129]] {
        known.record.key = Some(Bytes::copy_from_slice(key));
        assert_eq!(known.dead_letter().group.as_deref(), Some("orders/3"), "{key:?}");
    }
    known.record.source = "t".repeat(249).into();
    let dead = known.dead_letter();
    let (group, deduplication) = (dead.group.unwrap(), dead.deduplication.unwrap());
    assert!(group.len() == 128 && group.ends_with("t/3"));
    assert!(deduplication.len() == 128 && deduplication.ends_with("t/3/42"));
}

#[test]
fn the_error_event_tells_people() {
    let event = known().error_event();
    let expected = json!({
        "originalMessage": "{ \"a\": 1 }",
        "stage": "handle",
        "errorType": "TRAP_UNREACHABLE",
        "errorMessage": "unreachable (not retried: no attempts left)",
        "stackTrace": "0: price::handle\n1: price::main\n",
        "timestamp": "1970-01-01T00:01:30.000Z",
        "service": "shop",
        "outcome": "trapped",
        "code": "TRAP_UNREACHABLE",
        "route": "r",
        "plugin": "price",
        "pluginDigest": "sha256:ab",
        "attempt": 2,
        "attempts": [
            { "time": "1970-01-01T00:01:00.000Z", "outcome": "timed_out", "code": "TIMEOUT", "text": "no answer" },
            { "time": "1970-01-01T00:01:30.000Z", "outcome": "trapped", "code": "TRAP_UNREACHABLE", "text": "unreachable" },
        ],
        "firstFailure": "1970-01-01T00:01:00.000Z",
        "lastFailure": "1970-01-01T00:01:30.000Z",
        "sourceBroker": "kafka",
        "source": "orders",
        "position": "3/42",
        "originalTimestamp": "1970-01-01T00:00:05.000Z",
        "group": "g",
        "usage": { "wall_us": 7, "cpu_us": 0, "memory_peak_bytes": 0, "host_calls": 0, "output_bytes": 0 },
        "trace": "00-1-2-01",
        "correlation": "c-1",
        "messageId": "e-1",
    });
    assert_eq!(event, expected);
    let publication = &known().publications()[1];
    assert_eq!(publication.destination, topic("errors"));
    assert_eq!(publication.key, known().record.key);
}

#[test]
fn an_original_that_is_no_text_is_told_in_base64() {
    let mut known = known();
    known.record.payload = Some(Bytes::from_static(b"\xff\x00"));
    assert_eq!(known.error_event()["originalMessage"], json!({ "base64": "/wA=" }));
}

#[test]
fn a_long_original_is_cut_in_the_error_event_and_said_to_be() {
    let mut known = known();
    assert!(known.error_event().get("originalMessageCutFrom").is_none());
    for payload in ["é".repeat(ORIGINAL_LIMIT).into_bytes(), vec![0xff; 2 * ORIGINAL_LIMIT]] {
        known.record.payload = Some(payload.into());
        let event = known.error_event();
        assert_eq!(event["originalMessageCutFrom"], 2 * ORIGINAL_LIMIT);
        assert!(event.to_string().len() < 100_000);
        assert_eq!(known.dead_letter().payload.unwrap().len(), 2 * ORIGINAL_LIMIT, "the dead letter is whole");
    }
}

#[test]
fn without_a_place_for_error_events_there_is_none() {
    let mut known = known();
    known.route.errors = None;
    assert_eq!(known.publications().len(), 1);
}

#[test]
fn the_stage_says_how_far_it_came() {
    let stages = [Class::Malformed, Class::Unrouted, Class::Retryable].map(stage);
    assert_eq!(stages, ["decode", "route", "handle"]);
}

#[test]
fn why_it_was_not_tried_again_and_how_often_it_could_have_been_stand_in_the_text() {
    let mut known = known();
    known.route.policy.retry.max_attempts = 5;
    for (reason, expected) in [
        (Reason::SameFault, "unreachable (not retried: the same fault repeated; 3 of 5 attempts left)"),
        (Reason::Permanent, "unreachable (not retried: the failure is permanent; 3 of 5 attempts left)"),
        (Reason::TooOld, "unreachable (not retried: deferred for longer than max_age; 3 of 5 attempts left)"),
        (Reason::AttemptsExhausted, "unreachable (not retried: no attempts left)"),
        (Reason::OnlyOnce, "unreachable (not retried: the route delivers at most once)"),
    ] {
        known.reason = reason;
        assert_eq!(known.error_event()["errorMessage"], expected);
        let dead = known.dead_letter();
        assert_eq!(dead.headers.text("cofferdam-dlq-text"), Some(expected));
    }
}
