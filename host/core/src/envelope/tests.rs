use proptest::prelude::*;

use super::*;
use crate::message::{Header, Position};

fn record(payload: Option<&str>, headers: &[(&str, &str)]) -> Arc<Record> {
    Arc::new(Record {
        source: "orders".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: None,
        headers: headers.iter().map(|(name, value)| Header::text(name, value)).collect(),
        payload: payload.map(|text| Bytes::from(text.to_owned())),
        timestamp_ms: None,
    })
}

fn error(envelope: &Envelope, record: &Arc<Record>) -> String {
    envelope.decode(record).expect_err("malformed").to_string()
}

#[test]
fn a_structured_event_hands_its_data_on_as_it_stands() {
    let text = r#"{"specversion":"1.0","id":"e-1","source":"/shop","type":"order.placed","entityid":"o-1","hops":3,"data": {"b":1, "a":2} }"#;
    let message = Envelope::CloudEvents.decode(&record(Some(text), &[])).expect("well formed");
    assert_eq!(&*message.id, "e-1");
    assert_eq!(message.attribute("entityid"), Some("o-1"));
    assert_eq!(message.attribute("hops"), Some("3"));
    assert_eq!(message.payload.as_deref(), Some(&br#"{"b":1, "a":2}"#[..]));
}

#[test]
fn data_that_is_no_json_is_unquoted_or_decoded() {
    let event = |tail: &str| format!(r#"{{"specversion":"1.0","id":"e","source":"/s","type":"t",{tail}}}"#);
    let rows = [
        (r#""datacontenttype":"text/plain","data":"a\nb""#, Some("a\nb")),
        (r#""datacontenttype":"application/vnd.x+json; charset=utf-8","data":"a""#, Some(r#""a""#)),
        (r#""data_base64":"aGk=""#, Some("hi")),
        (r#""data":null"#, None),
        (r#""subject":"x""#, None),
    ];
    for (tail, payload) in rows {
        let message = Envelope::CloudEvents.decode(&record(Some(&event(tail)), &[])).expect(tail);
        assert_eq!(message.payload.as_deref(), payload.map(str::as_bytes), "{tail}");
    }
}

#[test]
fn a_binary_event_has_its_attributes_in_headers() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/s"),
        ("ce_type", "t"),
        ("content-type", "text/plain"),
        ("other", "x"),
    ];
    let message = Envelope::CloudEvents.decode(&record(Some("hi"), &headers)).expect("well formed");
    assert_eq!((&*message.id, message.payload.as_deref()), ("e-1", Some(&b"hi"[..])));
    assert_eq!(message.attribute("datacontenttype"), Some("text/plain"));
    assert_eq!(message.attribute("other"), None);
}

#[test]
fn a_malformed_event_is_told_in_words() {
    let ce = Envelope::CloudEvents;
    assert!(error(&ce, &record(Some("this is not json {"), &[])).contains("no CloudEvent in JSON"));
    assert!(error(&ce, &record(None, &[])).contains("tombstone"));
    let text = r#"{"specversion":"1.0","id":"e","source":"/s"}"#;
    assert_eq!(error(&ce, &record(Some(text), &[])), "the CloudEvent lacks the required attribute `type`");
    let text = r#"{"specversion":"0.3","id":"e","source":"/s","type":"t"}"#;
    assert!(error(&ce, &record(Some(text), &[])).contains("specversion 1.0"));
}

#[test]
fn json_takes_attributes_from_their_paths() {
    let text = r#"{"entity_id":"o-1","total_tasks":3,"task_config":{"x":1},"data":{"id":7}}"#;
    let paths = Paths {
        payload: Pointer::parse("/data"),
        id: Pointer::parse("/data/id").expect("a pointer"),
        ..Paths::default()
    };
    let message = Envelope::Json(paths).decode(&record(Some(text), &[])).expect("an object");
    assert_eq!((&*message.id, message.payload.as_deref()), ("7", Some(&br#"{"id":7}"#[..])));
    assert_eq!(message.attribute("total_tasks"), Some("3"));
    assert_eq!(message.attribute("task_config"), Some(r#"{"x":1}"#));
    assert_eq!(message.attribute("organization"), None);
}

#[test]
fn json_keeps_digits_and_spelling() {
    let text =
        r#"{"entity_id": 123456789012345678901234567890, "d\u0061ta": {"items": [{"price": 1.10e2 }]}, "x": "\ud800"}"#;
    let payload = Pointer::parse("/data/items/0");
    let message =
        Envelope::Json(Paths { payload, ..Paths::default() }).decode(&record(Some(text), &[])).expect("an object");
    assert_eq!(message.attribute("entity_id"), Some("123456789012345678901234567890"));
    assert_eq!(message.payload.as_deref(), Some(&br#"{"price": 1.10e2 }"#[..]));
}

#[test]
fn a_pointer_finds_what_the_standard_says() {
    let text = r#"{"a/b": {"m~n": [1, 2]}, "": {"": 3}, "0": "zero"}"#;
    let at = |pointer| {
        let paths = Paths { payload: Pointer::parse(pointer), ..Paths::default() };
        let message = Envelope::Json(paths).decode(&record(Some(text), &[])).expect("an object");
        message.payload.map(|payload| String::from_utf8(payload.to_vec()).expect("text"))
    };
    assert_eq!(at("/a~1b/m~0n/1").as_deref(), Some("2"));
    assert_eq!(at("//").as_deref(), Some("3"));
    assert_eq!(at("/0").as_deref(), Some("\"zero\""));
    for nowhere in ["/a~1b/m~0n/01", "/a~1b/m~0n/2", "/a~1b/m~0n/-", "/0/0", "/b"] {
        assert_eq!(at(nowhere), None, "{nowhere}");
    }
}

#[test]
fn json_without_a_required_field_is_malformed() {
    let envelope = Envelope::Json(Paths { required: vec!["entity_id".into()], ..Paths::default() });
    assert_eq!(error(&envelope, &record(Some("{}"), &[])), "the message lacks the required field `entity_id`");
    assert!(error(&envelope, &record(Some("[]"), &[])).contains("no JSON object"));
}

#[test]
fn raw_keeps_the_bytes_and_takes_its_id_from_the_position() {
    let message = Envelope::Raw.decode(&record(None, &[])).expect("always");
    assert_eq!((&*message.id, message.payload), ("orders/3/42", None));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), binary in any::<bool>()) {
        let headers = if binary { [Header::text("ce_specversion", "1.0")].into() } else { Headers::default() };
        let position = Position::MessageId("m".into());
        let record = Arc::new(Record { source: "q".into(), position, key: None, headers, payload: Some(bytes.into()), timestamp_ms: None });
        for envelope in [Envelope::CloudEvents, Envelope::Json(Paths::default()), Envelope::Raw] {
            let _ = envelope.decode(&record);
        }
    }
}
