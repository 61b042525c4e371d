//! The exact output of the commands.

use bytes::Bytes;
use cofferdam_core::dead_letter::{Attempt, Letter, Reasons};
use cofferdam_core::message::{Header, Headers, Position, Record};
use cofferdam_core::time::Time;

use super::{list, replay, show, table::shortened, words};
use crate::broker::{kafka, sqs};
use crate::dead_letters::filter::Filter;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::replay::{Order, Report};
use crate::dead_letters::{Found, Replays};

/// Returns a dead letter with all known fields, and control characters where a guest could put them.
fn known() -> Found {
    let attempt = |time: &str, outcome: &'static str, code: &'static str| Attempt {
        time: time.parse().expect("a time"),
        outcome: outcome.into(),
        code: code.into(),
        text: "no answer\u{1b}[2J within 5 s".into(),
    };
    let reasons = Reasons {
        outcome: Some("trapped".into()),
        code: Some("TRAP_UNREACHABLE".into()),
        text: Some("wasm `unreachable`\u{1b}[2J reached (not retried: the same fault repeated)".into()),
        route: Some("price-orders".into()),
        handler: Some("price".into()),
        digest: Some("sha256:ab12".into()),
        attempts: Some(vec![
            attempt("2026-11-21T05:01:36.120Z", "timed_out", "TIMEOUT"),
            attempt("2026-11-21T05:01:38.400Z", "trapped", "TRAP_UNREACHABLE"),
        ]),
        first_failure: "2026-11-21T05:01:36.120Z".parse().ok(),
        last_failure: "2026-11-21T05:01:38.400Z".parse().ok(),
        group: Some("pricing".into()),
        usage: Some(
            [("wall_us", 7), ("cpu_us", 6), ("memory_peak_bytes", 65_536), ("host_calls", 0)]
                .map(|(name, amount)| (name.to_owned(), amount.into()))
                .into_iter()
                .collect(),
        ),
        backtrace: Some("0: price::handle\n1: price::main\n".into()),
        trace: Some("00-1-2-01".into()),
        correlation: Some("c-1".into()),
        ..Reasons::default()
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
        at: kafka::topic("orders.placed.dlq"),
        position: Position::Offset { partition: 0, offset: 17 },
        stored: Some(Time::from_millis(5_000)),
        letter: Letter { original, reasons: Some(Box::new(reasons)) },
        origin: Some(kafka::topic("orders.placed")),
        redriven: None,
        replays: Replays { count: 1, last: "2026-11-21T06:00:00Z".parse().ok(), in_doubt: true },
    }
}

/// Returns a dead letter that the redrive policy of a queue moved.
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
        at: sqs::queue("tasks-dlq"),
        position,
        stored: Some(Time::from_millis(9_000)),
        letter: Letter { original, reasons: None },
        origin: None,
        redriven: Some(sqs::queue("tasks")),
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
    report.sent.insert(kafka::topic("orders.placed"), 12);
    report.sent.insert(sqs::queue("tasks.fifo"), 1);
    (report.repeated, report.retimed, report.homeless, report.undeleted, report.unseen) = (2, 3, 4, 5, 6);
    (report.refusals, report.stopped, report.unknowns, report.returned) = (7, true, 8, 9);
    report.unknown.insert(kafka::topic("payments\u{1b}[2J"), 8);
    report.refused.push(("kafka:orders.placed.dlq/0/17".into(), "OUTPUT_TOO_LARGE: too\nlarge".into()));
    insta::assert_snapshot!(replay::in_words("kafka:orders.placed.dlq", &order, &report).join("\n"));
}
