//! Any record in any envelope: read or malformed; the record stays as it was, and the payload comes out of it.

#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use bytes::Bytes;
use cofferdam_core::envelope::{Envelope, Paths, Pointer};
use cofferdam_core::message::{Header, Headers, Kind, Position, Record};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    headers: Vec<(&'a str, Option<&'a [u8]>)>,
    payload: Option<&'a [u8]>,
    pointer: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let mut headers = Headers::default();
    for (name, value) in &input.headers {
        headers.push(Header { name: name.as_bytes(), value: *value, kind: Kind::Bytes });
    }
    let record = Arc::new(Record {
        source: "orders".into(),
        position: Position::Offset { partition: 0, offset: 7 },
        key: None,
        headers,
        payload: input.payload.map(Bytes::copy_from_slice),
        timestamp_ms: None,
    });
    let before = Record::clone(&record);
    let pointer = Pointer::parse(input.pointer);
    let paths = Paths { payload: pointer.clone(), required: vec!["entity_id".into()], ..Paths::default() };
    for envelope in [Envelope::CloudEvents, Envelope::Json(Paths::default()), Envelope::Json(paths), Envelope::Raw] {
        let Ok(message) = envelope.decode(&record) else { continue };
        assert_eq!(*message.record, before);
        match &envelope {
            Envelope::Raw => assert_eq!(message.payload, before.payload),
            Envelope::CloudEvents => {
                let named = |name| message.attribute(name).is_some_and(|value| !value.is_empty());
                assert!(["id", "source", "specversion", "type"].into_iter().all(named), "{message:?}");
            }
            Envelope::Json(paths) => {
                let whole = before.payload.as_deref().expect("a tombstone has no object");
                let part = message.payload.as_deref().unwrap_or_default();
                assert!(part.is_empty() || whole.windows(part.len()).any(|window| window == part), "{message:?}");
                assert!(paths.required.iter().all(|name| message.attribute(name).is_some()), "{message:?}");
            }
        }
    }
});
