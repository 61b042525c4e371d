//! Any record of a dead-letter topic or queue: taken apart without loss of what is not ours, and without belief in what
//! is not from a host.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use cofferdam_core::dead_letter::Letter;
use cofferdam_core::message::{Header, Headers, Kind, Position, Record};
use cofferdam_core::output::Layout;
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
    Bare,
    HeaderOrder,
    HeaderTypes,
    Hidden(u8, &'a str),
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
            Self::Bare => "bare",
            Self::HeaderOrder => "header-order",
            Self::HeaderTypes => "header-types",
            Self::Hidden(times, name) => return format!("{}cofferdam-dlq{name}", "_".repeat(usize::from(times))),
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
    let letter = Letter::read(&record, if input.of_queue { Layout::Attributes } else { Layout::Record });
    assert_eq!(letter.original.payload, record.payload);
    let spoken = record.headers.iter().any(|header| {
        let ours: &[u8] = if input.of_queue { b"cofferdam-dlq" } else { b"cofferdam-dlq-" };
        header.name.starts_with(ours) && header.value.is_some()
    });
    // Where the host has written nothing, nobody else is believed.
    if !spoken {
        assert_eq!((&letter.original, letter.reasons.is_none()), (&record, true));
    }
    if letter.reasons.is_none() {
        assert_eq!(letter.origin(), None);
    }
    // Names of the host's are the host's, hidden ones are given back, anything else stays in its order.
    let others = |record: &Record| -> Headers {
        let ours = |header: &Header<'_>| {
            let name = header.name.to_ascii_lowercase();
            name.iter().skip_while(|byte| **byte == b'_').copied().collect::<Vec<u8>>().starts_with(b"cofferdam-dlq")
        };
        record.headers.iter().filter(|header| !ours(header)).collect()
    };
    if !input.of_queue {
        assert_eq!(others(&letter.original).len(), others(&record).len());
        let typed = |headers: Headers| -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
            headers.iter().map(|header| (header.name.to_vec(), header.value.map(<[u8]>::to_vec))).collect()
        };
        let is_ordered = !record.headers.iter().any(|header| header.name == b"cofferdam-dlq-header-order");
        if is_ordered {
            assert_eq!(typed(others(&letter.original)), typed(others(&record)));
        }
    }
});
