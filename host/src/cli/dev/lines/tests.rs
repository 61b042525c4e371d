use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::action::Next;
use cofferdam_core::message::{Header, Headers, Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure};

use super::super::seen::{Event, Seen, Sent};
use super::*;

fn record() -> Record {
    Record {
        source: "orders.placed".into(),
        position: Position::Offset { partition: 0, offset: 12 },
        key: Some("o-1".into()),
        headers: Default::default(),
        payload: Some(r#"{"order":"o-1"}"#.into()),
        timestamp_ms: None,
    }
}

fn headers() -> Headers {
    Headers::from([Header::text("tenant", "acme")])
}

fn seen(event: Event, failure: Option<Failure>) -> Seen {
    let sent =
        |to: &str| Sent { to: to.into(), key: None, headers: headers(), payload: Some(Bytes::from_static(b"{}")) };
    Seen {
        route: "orders".into(),
        record: Arc::new(record()),
        event,
        handler: Some("price".into()),
        attempt: 1,
        wall_us: 210,
        outputs: if failure.is_none() { vec![sent("kafka:orders.priced"), sent("sqs:tasks")] } else { Vec::new() },
        failure,
    }
}

fn trap() -> Failure {
    let mut failure = Failure::new(Class::Trapped, Code::TRAP_UNREACHABLE, "wasm `unreachable`\u{1b}[2J");
    failure.backtrace = vec!["pricing::total (src/lib.rs:12)".into(), "pricing::handle".into()];
    failure
}

#[test]
fn each_message_has_a_line_and_a_failure_shows_the_message_and_where_it_was() {
    let look = Look::default();
    let mut late = seen(Event::GoesOn(Next::Retry(Duration::from_secs(2))), Some(trap()));
    late.attempt = 2;
    let mut early = seen(Event::Settled("dead letter"), Some(Failure::host(Code::INTERNAL, "x".repeat(500))));
    early.handler = None;
    let texts = [
        look.text(&seen(Event::Settled("done"), None)),
        look.text(&seen(Event::GoesOn(Next::Retry(Duration::from_secs(1))), Some(trap()))),
        look.text(&late),
        look.text(&early),
        look.waiting(&record()),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_line_for_machines_has_a_name_for_everything() {
    let failed = seen(Event::GoesOn(Next::Hold(Duration::from_millis(250))), Some(trap()));
    insta::assert_snapshot!(format!("{}\n{}", seen(Event::Settled("done"), None).line(), failed.line()));
}

#[test]
fn the_page_is_told_the_beginning_of_what_is_large() {
    let mut large = seen(Event::Settled("done"), None);
    let record = Record { payload: Some("ä".repeat(1 << 20).into()), ..record() };
    large.record = Arc::new(record);
    large.outputs = (0..1_000)
        .map(|_| Sent { to: "x".into(), key: None, headers: headers(), payload: Some(vec![0xff; 1 << 20].into()) })
        .collect();
    let told = large.whole();
    assert_eq!(told["message"]["payload"], "ä".repeat(2 << 10));
    assert_eq!(told["outputs"], 1_000, "it says how many there were");
    assert!(told.to_string().len() < 200 << 10, "{}", told.to_string().len());
}

#[test]
fn the_page_is_told_the_message_and_its_outputs() {
    insta::assert_snapshot!(format!("{:#}", seen(Event::Settled("done"), None).whole()));
}
