//! What a profile writes is what it reads: the one of Cofferdam, and another that shows what a second one takes.

pub(crate) mod spring;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Map;

use super::super::reasons::{Attempt, OriginalKey};
use super::cofferdam::{self, Cofferdam};
use super::*;
use crate::message::{Header, Position};
use crate::time::Time;

const LAYOUTS: [Layout; 2] = [Layout::Record, Layout::Attributes];

/// Text in any script, with control characters, and text that looks like JSON.
fn text() -> impl Strategy<Value = String> {
    const SPECIAL: [&str; 10] =
        ["", "null", "true", "{}", "\"", "[1]", "naïve ☃", "\u{0}\r\n", "1970-01-01T00:00:00.000Z", "3/4"];
    prop_oneof!["\\PC{0,8}", ".{0,8}", proptest::sample::select(&SPECIAL).prop_map(str::to_owned)]
}

fn word() -> impl Strategy<Value = Option<Box<str>>> {
    of(text().prop_map(Into::into))
}

/// Letters have times in milliseconds, until the year 9999.
fn time() -> impl Strategy<Value = Time> {
    (0..253_402_300_800_000u64).prop_map(Time::from_millis)
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        (any::<i32>(), any::<i64>()).prop_map(|(partition, offset)| Position::Offset { partition, offset }),
        "[a-f0-9-]{0,9}".prop_map(|id| Position::MessageId(id.into())),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (time(), text(), text(), text()).prop_map(|(time, outcome, code, text)| Attempt {
        time,
        outcome: outcome.into(),
        code: code.into(),
        text: text.into(),
    })
}

fn key() -> impl Strategy<Value = OriginalKey> {
    let bytes = prop_oneof![vec(any::<u8>(), 0..5), text().prop_map(String::into_bytes)];
    prop_oneof![Just(OriginalKey::Missing), bytes.prop_map(|bytes| OriginalKey::Bytes(Bytes::from(bytes)))]
}

/// Any reasons, with any of them missing.
fn reasons() -> impl Strategy<Value = Reasons> {
    let words = (word(), word(), word(), word(), word(), word(), word(), word(), word(), word());
    let times = (of(time()), of(time()), of(time()));
    let usage = of(vec((text(), any::<u64>()), 0..3));
    let place = (word(), of(text()), of(position()));
    let aside = (of(vec(text().prop_map(Into::into), 0..3)), of(key()), of(vec(any::<usize>(), 0..3)));
    (any::<bool>(), words, times, (of(any::<u32>()), of(vec(attempt(), 0..3))), usage, place, aside).prop_map(
        |(
            bare,
            words,
            times,
            (attempt, attempts),
            usage,
            (broker, source, position),
            (header_types, key, header_order),
        )| {
            let (outcome, code, text, route, handler, digest, group, backtrace, trace, correlation) = words;
            let (first_failure, last_failure, timestamp) = times;
            let usage: Option<Map<_, _>> =
                usage.map(|usage| usage.into_iter().map(|(name, amount)| (name, amount.into())).collect());
            let source = source.map(Into::into);
            Reasons {
                bare,
                outcome,
                code,
                text,
                route,
                handler,
                digest,
                attempt,
                attempts,
                first_failure,
                last_failure,
                broker,
                source,
                position,
                timestamp,
                group,
                usage,
                backtrace,
                trace,
                correlation,
                header_types,
                key,
                header_order,
            }
        },
    )
}

/// Writes the reasons behind a header of the original, and checks that all else is taken out again.
fn there_and_back(profile: &dyn Profile, reasons: &Reasons, layout: Layout) -> Option<Reasons> {
    let original = Headers::from([Header::text("a", "x")]);
    let mut headers = original.clone();
    profile.write(reasons, layout, &mut headers);
    for header in headers.iter().skip(1) {
        assert!(profile.is_reserved(header.name), "{header:?} could be forged");
        assert!(profile.is_reserved(&header.name.to_ascii_uppercase()), "{header:?} could be forged in upper case");
    }
    let read = profile.read(layout, &mut headers);
    assert_eq!(headers, original);
    read
}

proptest! {
    #[test]
    fn reasons_that_are_written_are_read_back_equal(reasons in reasons()) {
        for layout in LAYOUTS {
            let read = there_and_back(&Cofferdam, &reasons, layout);
            prop_assert_eq!(read.is_none(), reasons == Reasons::default(), "{:?}", layout);
            prop_assert_eq!(&read.unwrap_or_default(), &reasons, "{:?}", layout);
        }
    }

    #[test]
    fn a_second_profile_reads_back_all_that_it_has_a_name_for(reasons in reasons()) {
        for layout in LAYOUTS {
            let read = there_and_back(&spring::Spring, &reasons, layout);
            prop_assert_eq!(read.unwrap_or_default(), spring::known(reasons.clone()), "{:?}", layout);
        }
    }
}

#[test]
fn a_part_that_cannot_be_read_is_left_out_and_the_others_stay() {
    let broken = [
        cofferdam::ATTEMPTS,
        cofferdam::FIRST_FAILURE,
        cofferdam::TIMESTAMP,
        cofferdam::USAGE,
        cofferdam::HEADER_TYPES,
        cofferdam::HEADER_ORDER,
        "of-another-version",
    ];
    let outcome = Reasons { outcome: Some("permanent".into()), ..Reasons::default() };
    let mut headers = Headers::from([Header::text("a", "x")]);
    let mut folded = Map::new();
    for name in broken {
        headers.push(Header::text(&cofferdam::header(name), "no such thing"));
        folded.insert(name.to_owned(), "no such thing".into());
    }
    Cofferdam.write(&outcome, Layout::Record, &mut headers);
    assert_eq!(Cofferdam.read(Layout::Record, &mut headers), Some(outcome.clone()));
    assert_eq!(headers.len(), 1);
    folded.insert(cofferdam::OUTCOME.to_owned(), "permanent".into());
    folded.insert(cofferdam::CODE.to_owned(), 7.into());
    let mut headers = [Header::text(cofferdam::FOLDED, &serde_json::to_string(&folded).expect("JSON"))].into();
    assert_eq!(Cofferdam.read(Layout::Attributes, &mut headers), Some(outcome));
}

#[test]
fn no_name_stands_for_two_reasons() {
    let names: std::collections::BTreeSet<_> = cofferdam::NAMES.iter().collect();
    assert_eq!(names.len(), cofferdam::NAMES.len());
    assert!(Cofferdam.is_reserved(cofferdam::RECEIPT.as_bytes()) && Cofferdam.is_reserved(b"Cofferdam-DLQ"));
    assert!(!Cofferdam.is_reserved(b"cofferdam-replay"));
}
