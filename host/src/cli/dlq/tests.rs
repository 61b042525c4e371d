//! What people read, word for word.

use bytes::Bytes;
use cofferdam_core::dead_letter::{Attempt, Letter, Reasons};
use cofferdam_core::message::{Header, Headers, Position, Record};
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;

use super::{list, replay, show, table::shortened, words};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::replay::{Order, Report};
use crate::dead_letters::{Found, Replays};

/// A letter about which everything is known, with control characters where a guest could put them.
fn known() -> Found {
    let attempt = |time: &str, outcome: &str, code: &str| Attempt {
        time: time.into(),
        outcome: outcome.into(),
        code: code.into(),
        text: "no answer\u{1b}[2J within 5 s".into(),
    };
    let reasons = Reasons {
        outcome: "trapped".into(),
        code: "TRAP_UNREACHABLE".into(),
        text: "wasm `unreachable`\u{1b}[2J reached (not retried: the same fault repeated)".into(),
        route: "price-orders".into(),
        handler: Some("price".into()),
        digest: Some("sha256:ab12".into()),
        attempts: vec![
            attempt("2026-11-21T05:01:36.120Z", "timed_out", "TIMEOUT"),
            attempt("2026-11-21T05:01:38.400Z", "trapped", "TRAP_UNREACHABLE"),
        ],
        first_failure: "2026-11-21T05:01:36.120Z".parse().ok(),
        last_failure: "2026-11-21T05:01:38.400Z".parse().ok(),
        group: Some("pricing".into()),
        usage: Some(serde_json::json!({ "wall_us": 7, "cpu_us": 6, "memory_peak_bytes": 65_536, "host_calls": 0 })),
        backtrace: Some("0: price::handle\n1: price::main\n".into()),
        trace: Some("00-1-2-01".into()),
        correlation: Some("c-1".into()),
    };
    let original = Record {
        source: "orders.placed".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: Some(Bytes::from_static(b"o-1")),
        headers: Headers::from([
            Header::text("tenant", "acme"),
            Header::bytes("raw", b"\xff"),
            Header { value: None, ..Header::text("nothing", "") },
        ]),
        payload: Some(Bytes::from_static(b"{\n  \"id\": 7\x07\n}")),
        timestamp_ms: Some(5_000),
    };
    Found {
        at: Destination::Kafka("orders.placed.dlq".into()),
        position: Position::Offset { partition: 0, offset: 17 },
        stored: Some(Time::from_millis(5_000)),
        letter: Letter { original, reasons: Some(Box::new(reasons)) },
        redriven: None,
        replays: Replays { count: 1, last: "2026-11-21T06:00:00Z".parse().ok(), in_doubt: true },
    }
}

/// One that a queue's own redrive policy moved.
fn moved() -> Found {
    let position = Position::MessageId("5e1c".into());
    let original = Record {
        source: "tasks".into(),
        position: position.clone(),
        key: None,
        headers: Headers::default(),
        payload: None,
        timestamp_ms: Some(5_000),
    };
    Found {
        at: Destination::Sqs("tasks-dlq".into()),
        position,
        stored: Some(Time::from_millis(9_000)),
        letter: Letter { original, reasons: None },
        redriven: Some("tasks".into()),
        replays: Replays::default(),
    }
}

#[test]
fn a_letter_is_shown_whole() {
    insta::assert_snapshot!(show::lines(&known()).join("\n"));
    insta::assert_snapshot!(show::lines(&moved()).join("\n"));
}

#[test]
fn letters_are_listed_in_a_table() {
    let table = list::table(&[known(), moved()]);
    insta::assert_snapshot!(table.lines().join("\n"));
    assert_eq!((shortened("four", 4), shortened("fivef", 4)), ("four".into(), "fiv…".into()));
}

#[test]
fn machines_get_everything_by_name() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&words::whole(&known())).expect("JSON"));
    insta::assert_snapshot!(words::summary(&moved()).to_string());
}

#[test]
fn a_replay_says_what_went_where_and_what_stays() {
    let order = Order {
        filter: Filter::default(),
        limit: u64::MAX,
        to: None,
        origins: Origins::default(),
        rate: None,
        dry: false,
        id: "01980000-0000-7000-8000-000000000000".into(),
        time: Time::from_millis(0),
    };
    let mut report = Report::new(drop);
    report.sent.insert(Destination::Kafka("orders.placed".into()), 12);
    report.sent.insert(Destination::Sqs("tasks.fifo".into()), 1);
    (report.repeated, report.retimed, report.homeless, report.undeleted, report.unseen) = (2, 3, 4, 5, 6);
    (report.refusals, report.stopped, report.unknowns, report.returned) = (7, true, 8, 9);
    report.unknown.insert(Destination::Kafka("payments\u{1b}[2J".into()), 8);
    report.refused.push(("kafka:orders.placed.dlq/0/17".into(), "OUTPUT_TOO_LARGE: too\nlarge".into()));
    insta::assert_snapshot!(replay::in_words("kafka:orders.placed.dlq", &order, &report).join("\n"));
}
