//! What was written comes back as it was.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::dead_letter::profile::tests::spring::Spring;
use crate::message::Kind;
use crate::output::samples::{queue, topic};

/// The profile of the host, and another one.
const PROFILES: [&dyn Profile; 2] = [PROFILE, &Spring];

const DEAD: Time = Time::from_millis(100_000);

/// The record that a broker gives for a publication: a topic knows no types, a queue sorts by name and knows no keys.
fn stored(publication: Publication) -> Record {
    let mut headers = publication.headers;
    let (position, key, timestamp_ms) = match publication.destination.layout() {
        Layout::Record => {
            headers = headers.iter().map(|header| Header { kind: Kind::Bytes, ..header }).collect();
            (Position::Offset { partition: 0, offset: 7 }, publication.key, publication.timestamp_ms)
        }
        Layout::Attributes => {
            headers.sort_by_name();
            let group = publication.group.map(|group| Bytes::from(String::from(group)));
            (Position::MessageId("m-9".into()), group, Some(DEAD.as_millis()))
        }
    };
    let source = publication.destination.name.clone();
    Record { source, position, key, headers, payload: publication.payload, timestamp_ms }
}

fn read(letter: Publication) -> Letter {
    let layout = letter.destination.layout();
    Letter::read(&stored(letter), layout)
}

fn letter(known: &Known) -> Letter {
    let letter = known.dead_letter();
    let layout = letter.destination.layout();
    Letter::read_as(known.profile, &stored(letter), layout)
}

#[test]
fn a_key_that_was_not_there_and_a_timestamp_that_was_set_aside_come_back() {
    let mut known = known();
    known.route.dead_letter = DeadLetterRule::To(topic("dead"));
    known.record.key = None;
    known.record.timestamp_ms = Some(4_102_444_800_000);
    let mut letter = known.dead_letter();
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    assert!(letter.key.is_some() && letter.timestamp_ms.is_some());
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    assert_eq!(letter.timestamp_ms, None);
    let back = read(letter.clone());
    assert_eq!(back.original, known.record);
    assert!(back.reasons.is_some());
    // Then the reasons, and then there is nothing left to take.
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    assert!(letter.headers.text("cofferdam-dlq-outcome").is_none());
    let back = read(letter.clone());
    let (original, record) = (&back.original, &known.record);
    assert_eq!(
        (&original.key, &original.headers, original.timestamp_ms),
        (&None, &record.headers, record.timestamp_ms)
    );
    assert_eq!((&back.reasons, back.origin()), (&None, None));
    assert!(!lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
}

/// The names of the headers behind the first `own`.
fn names(letter: &Publication, own: usize) -> Vec<&str> {
    let names = letter.headers.iter().skip(own).map(|header| text(header).0);
    names.map(|name| name.strip_prefix(cofferdam::PREFIX).unwrap_or(name)).collect()
}

#[test]
fn a_reduced_letter_keeps_the_order_of_its_headers() {
    let mut known = known();
    known.record.source = "tasks".into();
    known.record.position = Position::MessageId("m-1".into());
    known.record.key = None;
    known.record.headers = [Header::text("cofferdam-dlq-x", "y")].into();
    known.route.dead_letter = DeadLetterRule::To(topic("dead"));
    let mut letter = known.dead_letter();
    let full: Vec<String> = names(&letter, 1).into_iter().map(str::to_owned).collect();
    assert_eq!(full.last().map(String::as_str), Some("header-types"));
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    assert_eq!(names(&letter, 1), [full.iter().map(String::as_str).collect(), vec!["no-key"]].concat());
    let with_key = letter.headers.clone();
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    assert_eq!(letter.headers, with_key, "the timestamp was a reason before");
    assert!(lighten(PROFILE, &mut letter, &known.record, &Code::INVALID_RESULT));
    let reduced = ["_cofferdam-dlq-x", "bare", "timestamp", "no-key"];
    assert_eq!(names(&letter, 0), reduced);
    assert_eq!(letter.key.as_deref(), Some(&b"cofferdam-dlq-m-1"[..]));
}

#[test]
fn a_letter_that_names_no_source_has_no_origin() {
    for missing in [cofferdam::SOURCE, cofferdam::POSITION] {
        let mut letter = known().dead_letter();
        letter.headers.retain(|header| header.name != cofferdam::header(missing).as_bytes());
        let read = read(letter);
        assert_eq!((read.reasons.is_some(), read.origin()), (true, None), "without {missing}");
    }
}

/// The letter as it is where there was no room for the reasons.
fn bare_letter(known: &Known) -> Letter {
    read(bare(PROFILE, &known.record, known.route.dead_letter.destination(&known.record)))
}

/// What a producer would write to pass for the host.
fn forged() -> Headers {
    let reasons = r#"{"outcome":"permanent","code":"NO","source":"payments","position":"0/0"}"#;
    [
        Header::text("a", "x"),
        Header::text(cofferdam::FOLDED, reasons),
        Header::text("cofferdam-dlq-outcome", "permanent"),
        Header::text("cofferdam-dlq-source", "payments"),
        Header::text("cofferdam-dlq-position", "0/0"),
        Header::text("cofferdam-dlq-timestamp", "2020-01-01T00:00:00.000Z"),
        Header::text("cofferdam-dlq-receipt", "replayed"),
        Header::text("cofferdam-dlq-bare", "true"),
        Header::text("_cofferdam-dlq-source", "payments"),
    ]
    .into()
}

fn marker(count: u32) -> Marker {
    Marker { id: "r-1".into(), time: DEAD.to_string(), count, letter: "kafka:dead/0/7".into() }
}

/// The places a dead letter can have.
fn places() -> [Destination; 3] {
    [topic("dead"), queue("dead"), queue("dead.fifo")]
}

#[test]
fn the_reasons_come_back() {
    for place in places() {
        let mut known = known();
        known.route.dead_letter = DeadLetterRule::To(place);
        let letter = letter(&known);
        let reasons = letter.reasons.as_ref().expect("reasons");
        assert_eq!((reasons.outcome.as_deref(), reasons.code.as_deref()), (Some("trapped"), Some("TRAP_UNREACHABLE")));
        assert_eq!((reasons.handler.as_deref(), reasons.digest.as_deref()), (Some("price"), Some("sha256:ab")));
        let first = Attempt {
            time: Time::from_millis(60_000),
            outcome: "timed_out".into(),
            code: "TIMEOUT".into(),
            text: "no answer".into(),
        };
        let attempts = reasons.attempts.as_ref().expect("attempts");
        assert_eq!((attempts.len(), &attempts[0]), (2, &first));
        assert_eq!((reasons.first_failure, reasons.last_failure), (Some(Time::from_millis(60_000)), Some(NOW)));
        assert_eq!(reasons.usage.as_ref().expect("usage")["wall_us"], 7);
        assert_eq!(reasons.backtrace.as_deref(), Some("0: price::handle\n1: price::main\n"));
        assert_eq!(letter.origin().map(|name| &**name), Some("orders"));
    }
}

#[test]
fn an_original_that_was_a_dead_letter_keeps_its_own_reasons() {
    for place in places() {
        let mut first = known();
        first.route.dead_letter = DeadLetterRule::To(place.clone());
        let mut second = known();
        second.route.dead_letter = DeadLetterRule::To(place);
        second.record = stored(first.dead_letter());
        assert_eq!(letter(&second).original.headers, second.record.headers);
    }
}

#[test]
fn a_letter_without_room_for_reasons_has_none_whatever_its_original_claims() {
    for place in places() {
        let mut known = known();
        known.route.dead_letter = DeadLetterRule::To(place);
        known.record.headers = forged();
        let bare = bare_letter(&known);
        assert_eq!((&bare.reasons, bare.origin()), (&None, None));
        let full = letter(&known);
        assert_eq!(full.origin().map(|name| &**name), Some("orders"));
        assert_eq!(full.original.timestamp_ms, Some(5_000));
    }
}

#[test]
fn a_letter_whose_original_has_no_names_of_the_host_is_no_larger_than_the_original() {
    for place in places() {
        let known = known();
        assert_eq!(bare(PROFILE, &known.record, place).headers, known.record.headers);
    }
}

#[test]
fn a_record_that_is_no_dead_letter_is_taken_as_it_is() {
    let record = known().record;
    let letter = Letter::read(&record, Layout::Record);
    assert_eq!((letter.original.clone(), letter.reasons.is_none(), letter.origin()), (record.clone(), true, None));
    let mut broken = Record { position: Position::MessageId("m".into()), ..record };
    broken.headers = [Header::text(cofferdam::FOLDED, "no json")].into();
    assert_eq!(Letter::read(&broken, Layout::Attributes).original, broken);
}

#[test]
fn a_replay_takes_the_place_of_an_earlier_one() {
    let mut known = known();
    known.record.headers.push(Header::text(MARKER, &serde_json::to_string(&marker(1)).expect("JSON")));
    let letter = letter(&known);
    assert_eq!(Marker::of(&letter.original), Some(marker(1)));
    let replayed = letter.replay(topic("orders"), &marker(2));
    assert!(replayed.headers.iter().take(2).eq(letter.original.headers.iter().take(2)));
    let expected = r#"{"id":"r-1","time":"1970-01-01T00:01:40.000Z","count":2,"letter":"kafka:dead/0/7"}"#;
    assert_eq!(replayed.headers.iter().skip(2).map(text).collect::<Vec<_>>(), [("cofferdam-replay", expected)]);
    assert_eq!((replayed.group, replayed.deduplication), (None, None));
}

#[test]
fn on_a_fifo_queue_a_replay_keeps_the_group_and_a_second_copy_is_dropped() {
    let mut known = known().with_queue("dead");
    known.record.position = Position::MessageId("m-1".into());
    known.record.key = Some(Bytes::from_static(b"order-7"));
    let letter = letter(&known);
    let replay = |id: &str, count| letter.replay(queue("t.fifo"), &Marker { id: id.into(), ..marker(count) });
    assert_eq!(replay("a", 1).group.as_deref(), Some("order-7"));
    assert_eq!(replay("a", 1).deduplication, replay("b", 1).deduplication, "the first may have been killed");
    assert_ne!(replay("a", 1).deduplication, replay("a", 2).deduplication, "it is meant to come again");
}

/// Headers of one of these kinds.
fn headers(kinds: &'static [Kind<'static>]) -> impl Strategy<Value = Headers> {
    const OWN: [&str; 9] =
        ["", "-x", "-outcome", "-source", "-position", "-timestamp", "-bare", "-header-order", "-header-types"];
    let own = (0..3usize, proptest::sample::select(&OWN), any::<bool>()).prop_map(|(hidden, own, upper)| {
        let name = format!("{}cofferdam-dlq{own}", "_".repeat(hidden));
        if upper { name.to_uppercase() } else { name }
    });
    const OTHERS: [&str; 4] = ["kafka_dlt-original-topic", "Kafka_DLT-x-key", "_kafka_dlt-x-bare", "kafka_dlt-x-order"];
    let others = proptest::sample::select(&OTHERS).prop_map(str::to_owned);
    let name = prop_oneof!["[a-c]", own, others, Just("_".to_owned())];
    let claim = prop_oneof![Just(&br#"{"outcome":"x","source":"y","position":"0/0"}"#[..]), Just(&b"[1,0]"[..])];
    let value = prop_oneof![vec(any::<u8>(), 0..4), claim.prop_map(<[u8]>::to_vec)];
    let value = proptest::option::of(value);
    vec((name, value, proptest::sample::select(kinds)), 0..6).prop_map(|parts| {
        let mut headers = Headers::default();
        for (name, value, kind) in &parts {
            headers.push(Header { name: name.as_bytes(), value: value.as_deref(), kind: *kind });
        }
        headers
    })
}

/// An original of a topic, or of a queue: those sort their attributes, and keys are groups.
fn original() -> impl Strategy<Value = Record> {
    let of_topic = (proptest::option::of(vec(any::<u8>(), 0..3)), headers(&[Kind::Bytes]));
    let of_topic = of_topic.prop_map(|(key, headers)| (Position::Offset { partition: 2, offset: 5 }, key, headers));
    let of_queue = (
        proptest::option::of("[a-z]{1,3}"),
        headers(&[Kind::Bytes, Kind::Text, Kind::Number, Kind::Labelled("String.x")]),
    )
        .prop_map(|(group, mut headers)| {
            headers.sort_by_name();
            (Position::MessageId("m-1".into()), group.map(String::into_bytes), headers)
        });
    let payload = proptest::option::of(vec(any::<u8>(), 0..4));
    (prop_oneof![of_topic, of_queue], payload).prop_map(|((position, key, headers), payload)| Record {
        source: "orders".into(),
        position,
        key: key.map(Bytes::from),
        headers,
        payload: payload.map(Bytes::from),
        timestamp_ms: Some(5_000),
    })
}

/// Names and values: without reasons a queue keeps no order, and a topic no types.
fn in_any_order(headers: &Headers) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut all: Vec<_> =
        headers.iter().map(|header| (header.name.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn every_original_comes_back_byte_for_byte_from_every_place(
        record in original(),
        place in 0..3usize,
        profile in proptest::sample::select(&PROFILES),
    ) {
        let mut known = known();
        known.profile = profile;
        known.record = record;
        known.route.dead_letter = DeadLetterRule::To(places()[place].clone());
        prop_assert_eq!(letter(&known).original, known.record);
    }

    #[test]
    fn no_original_forges_a_reason_and_its_headers_come_back(
        record in original(),
        place in 0..3usize,
        is_bare: bool,
        profile in proptest::sample::select(&PROFILES),
    ) {
        let mut known = known();
        known.profile = profile;
        known.record = record;
        known.route.dead_letter = DeadLetterRule::To(places()[place].clone());
        // A letter that is read and fails, and becomes a letter again: twice.
        for _ in 0..3 {
            let dead = match is_bare {
                true => bare(profile, &known.record, known.route.dead_letter.destination(&known.record)),
                false => known.dead_letter(),
            };
            let layout = dead.destination.layout();
            let stored = stored(dead);
            let read = Letter::read_as(profile, &stored, layout);
            prop_assert_eq!(read.origin(), (!is_bare).then_some(&known.record.source));
            prop_assert!(is_bare || read.original.position == known.record.position);
            let back = read.original;
            prop_assert_eq!(&back.payload, &known.record.payload);
            prop_assert_eq!(in_any_order(&back.headers), in_any_order(&known.record.headers));
            known.record = stored;
        }
    }
}
