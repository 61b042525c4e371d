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
    assert!(error(&ce, &record(Some("this is not json {"), &[])).contains("not a CloudEvent: it is not a JSON object"));
    assert!(error(&ce, &record(None, &[])).contains("tombstone"));
    let text = r#"{"specversion":"1.0","id":"e","source":"/s"}"#;
    assert_eq!(error(&ce, &record(Some(text), &[])), "missing required CloudEvents attribute `type`");
    let text = r#"{"specversion":"0.3","id":"e","source":"/s","type":"t"}"#;
    assert!(error(&ce, &record(Some(text), &[])).contains("specversion; expected 1.0"));
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
        let message = Envelope::Json(paths).decode(&record(Some(text), &[])).ok()?;
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
    assert_eq!(error(&envelope, &record(Some("{}"), &[])), "missing required field `entity_id`");
    assert!(error(&envelope, &record(Some("[]"), &[])).contains("expected a JSON object"));
}

fn decoded(envelope: &Envelope, text: &str) -> Message {
    envelope.decode(&record(Some(text), &[])).expect(text)
}

fn event(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","type":"t",{members}}}"#)
}

#[test]
fn null_is_the_same_as_absent() {
    let text = r#"{"id":null,"entity_id":null,"organization":"o","data":{"x":null}}"#;
    let message = decoded(&Envelope::Json(Paths::default()), text);
    assert_eq!(&*message.id, "orders/3/42");
    assert_eq!((message.attribute("entity_id"), message.attribute("organization")), (None, Some("o")));
    let required = Envelope::Json(Paths { required: vec!["entity_id".into()], ..Paths::default() });
    assert_eq!(error(&required, &record(Some(text), &[])), "missing required field `entity_id`");

    let ce = Envelope::CloudEvents;
    for lacking in [r#""id":null,"source":"s""#, r#""id":"1","source":null"#, r#""source":"s""#, r#""id":"1""#] {
        assert!(
            error(&ce, &record(Some(&event(lacking)), &[])).contains("missing required CloudEvents attribute"),
            "{lacking}"
        );
    }
    let rest = r#""id":"1","source":"s","subject":null,"datacontenttype":null,"data_base64":null,"data":{"n":1}"#;
    let message = decoded(&ce, &event(rest));
    assert_eq!((message.attribute("subject"), message.attribute("data_base64")), (None, None));
    assert_eq!(message.payload.as_deref(), Some(&br#"{"n":1}"#[..]));
    let message = decoded(&ce, &event(r#""id":"1","source":"s","data":null,"data_base64":"aGk=""#));
    assert_eq!(message.payload.as_deref(), Some(&b"hi"[..]));
}

#[test]
fn a_header_without_a_value_is_the_same_as_none() {
    let mut headers: Headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "s"), ("ce_type", "t")]
        .map(|(name, value)| Header::text(name, value))
        .into();
    let with = |headers: &Headers| Record { headers: headers.clone(), ..(*record(None, &[])).clone() };
    headers.push(Header { name: b"ce_subject", value: None, kind: Default::default() });
    let message = Envelope::CloudEvents.decode(&Arc::new(with(&headers))).expect("well formed");
    assert_eq!((&*message.id, message.attribute("subject")), ("1", None));
    headers.push(Header { name: b"ce_id", value: None, kind: Default::default() });
    assert!(error(&Envelope::CloudEvents, &Arc::new(with(&headers))).contains("required CloudEvents attribute `id`"));
}

#[test]
fn an_empty_id_is_no_id() {
    assert_eq!(&*decoded(&Envelope::Json(Paths::default()), r#"{"id":""}"#).id, "orders/3/42");
    let text = event(r#""id":"","source":"s""#);
    assert!(error(&Envelope::CloudEvents, &record(Some(&text), &[])).contains("required CloudEvents attribute `id`"));
}

#[test]
fn an_id_is_a_string_or_a_number() {
    let json = Envelope::Json(Paths::default());
    for (id, kept) in [("17", "17"), ("1.50", "1.50"), (r#""17""#, "17"), (r#""null""#, "null")] {
        assert_eq!(&*decoded(&json, &format!(r#"{{"id":{id}}}"#)).id, kept);
    }
    for (id, what) in [("true", "a boolean"), (r#"{"x":1}"#, "an object"), ("[1]", "an array")] {
        let told = error(&json, &record(Some(&format!(r#"{{"id":{id}}}"#)), &[]));
        assert_eq!(told, format!("the id at `/id` is {what}; expected a string or a number"));
        let text = event(&format!(r#""source":"s","id":{id}"#));
        assert!(error(&Envelope::CloudEvents, &record(Some(&text), &[])).contains(what), "{id}");
    }
}

#[test]
fn an_event_is_known_by_its_source_and_its_id() {
    let json = Envelope::Json(Paths::default());
    let elsewhere = Record { source: "returns".into(), ..(*record(Some(r#"{"id":"1"}"#), &[])).clone() };
    let anew = Record { timestamp_ms: Some(7), ..(*record(Some("{}"), &[])).clone() };
    let of = |source: &str, id: &str| {
        decoded(&Envelope::CloudEvents, &event(&format!(r#""source":"{source}","id":"{id}""#))).identity()
    };
    // All of these are different events, whatever their ids contain.
    let all = [
        of("/shop/berlin", "1"),
        of("/shop/paris", "1"),
        of("/shop", "berlin 1"),
        of("/shop berlin", "1"),
        of("orders", "1"),
        decoded(&json, r#"{"id":"1"}"#).identity(),
        json.decode(&Arc::new(elsewhere)).expect("well formed").identity(),
        // A record without an id, another one that claims the same id, and the one at the same position of a recreated
        // topic.
        decoded(&json, "{}").identity(),
        decoded(&json, r#"{"id":"orders/3/42"}"#).identity(),
        json.decode(&Arc::new(anew)).expect("well formed").identity(),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:#?}");
    assert_eq!(of("/shop/berlin", "1"), of("/shop/berlin", "1"));
    assert_eq!(decoded(&json, r#"{"id":1}"#).identity(), decoded(&json, r#"{"id":"1","x":2}"#).identity());
    assert_eq!(decoded(&json, "{}").identity(), decoded(&Envelope::Raw, "{}").identity());
}

#[test]
fn a_payload_that_is_not_there_is_no_tombstone() {
    let envelope = Envelope::Json(Paths { payload: Pointer::parse("/data/order"), ..Paths::default() });
    for text in [r#"{"id":"1"}"#, r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":"order"}"#] {
        let told = error(&envelope, &record(Some(text), &[]));
        assert_eq!(told, "no payload at `/data/order`; expected a value, or null for a tombstone", "{text}");
    }
    assert_eq!(decoded(&envelope, r#"{"data":{"order":null}}"#).payload, None);
}

#[test]
fn what_is_no_event_is_told_by_what_it_is() {
    let event = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"t"}"#;
    for (text, told) in [
        (format!("[{event}]"), "a JSON array; expected a JSON object"),
        (format!("\u{feff}{event}"), "JSON after a byte order mark (EF BB BF); expected a JSON object"),
        ("  ".into(), "empty; expected a JSON object"),
        ("\"text\"".into(), "a JSON string; expected a JSON object"),
        ("-1".into(), "a number; expected a JSON object"),
        ("null".into(), "null; expected a JSON object"),
        ("{".into(), "not a JSON object: EOF while parsing an object at line 1 column 1"),
    ] {
        let record = record(Some(&text), &[]);
        assert_eq!(error(&Envelope::CloudEvents, &record), format!("the value is not a CloudEvent: it is {told}"));
        assert_eq!(error(&Envelope::Json(Paths::default()), &record), format!("the value is {told}"));
    }
    let batch = record(Some("[]"), &[("content-type", "application/cloudevents-batch+json")]);
    let told = error(&Envelope::CloudEvents, &batch);
    assert_eq!(told, "the value is a batch of CloudEvents; expected one event in each message");
    let upper = [("CE_specversion", "1.0"), ("CE_ID", "e-1"), ("ce_source", "/s"), ("Ce_Type", "t")];
    let message = Envelope::CloudEvents.decode(&record(Some("hi"), &upper)).expect("in any case");
    assert_eq!((&*message.id, message.attribute("type")), ("e-1", Some("t")));
    for name in ["ce-specversion", "Ce-Specversion"] {
        let told = error(&Envelope::CloudEvents, &record(Some("{}"), &[(name, "1.0"), ("ce-id", "e-1")]));
        assert!(told.starts_with(&format!("the header `{name}` is not a CloudEvents attribute")), "{told}");
    }
}

#[test]
fn a_payload_that_is_wrapped_in_a_string_is_the_text_of_the_string() {
    let payload = Pointer::parse("/Message");
    let envelope = Envelope::Json(Paths { payload, payload_in_string: true, ..Paths::default() });
    let sns = r#"{"Type":"Notification","Message":"{\"order\":\"\u00e9-1\",\n\"items\":[]}"}"#;
    assert_eq!(decoded(&envelope, sns).payload.as_deref(), Some("{\"order\":\"é-1\",\n\"items\":[]}".as_bytes()));
    assert_eq!(decoded(&envelope, r#"{"Message":""}"#).payload.as_deref(), Some(&b""[..]), "empty is no tombstone");
    assert_eq!(decoded(&envelope, r#"{"Message":null}"#).payload, None);
    for (value, kind) in [
        ("{}", "an object"),
        ("[1]", "an array"),
        ("-1", "a number"),
        ("true", "a boolean"),
        (r#""\ud800""#, "a string with an invalid escape"),
    ] {
        let told = error(&envelope, &record(Some(&format!(r#"{{"Message":{value}}}"#)), &[]));
        let expected =
            format!("the payload at `/Message` is {kind}; expected a string that holds it (`payload_in_string`)");
        assert_eq!(told, expected);
    }
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
