//! Any record of a dead-letter topic or queue: taken apart without loss of what is not ours.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use cofferdam_core::dead_letter::Letter;
use cofferdam_core::message::{Header, Headers, Kind, Position, Record};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    of_queue: bool,
    headers: Vec<(Name<'a>, Option<&'a [u8]>)>,
    payload: Option<&'a [u8]>,
}

/// Ours, so that the fuzzer need not guess them, and others.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Name<'a> {
    Folded,
    Outcome,
    Attempts,
    Source,
    Position,
    Timestamp,
    Usage,
    Ours(&'a str),
    Other(&'a str),
}

impl Name<'_> {
    fn text(self) -> String {
        let name = match self {
            Self::Folded => return "cofferdam-dlq".into(),
            Self::Other(name) => return name.into(),
            Self::Outcome => "outcome",
            Self::Attempts => "attempts",
            Self::Source => "source",
            Self::Position => "position",
            Self::Timestamp => "timestamp",
            Self::Usage => "usage",
            Self::Ours(name) => name,
        };
        format!("cofferdam-dlq-{name}")
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut headers = Headers::default();
    for (name, value) in &input.headers {
        headers.push(Header { name: name.text().as_bytes(), value: *value, kind: Kind::Bytes });
    }
    let position = match input.of_queue {
        true => Position::MessageId("id".into()),
        false => Position::Offset { partition: 0, offset: 7 },
    };
    let record = Record {
        source: "orders.dlq".into(),
        position,
        key: None,
        headers,
        payload: input.payload.map(Bytes::copy_from_slice),
        timestamp_ms: Some(1),
    };
    let letter = Letter::read(&record);
    assert_eq!(letter.original.payload, record.payload);
    if letter.reasons.is_none() {
        assert_eq!(letter.original, record);
    }
    // What begins with our name is ours only behind the reasons; anything else stays, in its order.
    let others = |record: &Record| -> Headers {
        let ours = |header: &Header<'_>| header.name.starts_with(b"cofferdam-dlq");
        record.headers.iter().filter(|header| !ours(header)).collect()
    };
    if !input.of_queue {
        assert_eq!(others(&letter.original), others(&record));
    }
});
