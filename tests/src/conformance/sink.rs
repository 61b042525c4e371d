//! The guarantees of sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::event::Refusal;
use cofferdam_core::message::{Header, Headers, Kind};
use cofferdam_core::output::{Layout, Publication};

use super::{Bench, Outlet, Reader, WAIT, items, keeps_order, mixed, values};

/// A limit that ends before an outage does.
const SOON: Duration = Duration::from_millis(200);

/// Each ticket is settled once. A flush that reports no unanswered publications has waited for all. A durable
/// publication is stored, and stored once if nothing fails.
pub async fn each_ticket_is_settled_once_and_a_flush_waits_for_it(bench: &impl Bench) {
    let written = mixed(0..50);
    let mut outlet = Outlet::open(bench).await;
    outlet.publish_all(&written);
    assert_eq!(outlet.flush(WAIT).await, 0);
    assert_eq!(outlet.answered(), written.len(), "a flush waits until every publication has been answered");
    assert!(outlet.close(WAIT).await.iter().all(Result::is_ok));
    let mut stored = values(&bench.stored().await);
    stored.sort();
    assert_eq!(stored, values(&written));
}

/// For each key, publications are stored in the order in which they were published, if the destination keeps order.
pub async fn a_key_keeps_its_order_in_what_is_stored(bench: &impl Bench) {
    let written = mixed(0..80);
    let mut outlet = Outlet::open(bench).await;
    outlet.publish_all(&written);
    assert!(outlet.close(WAIT).await.iter().all(Result::is_ok), "closing waits for what was published");
    let stored = bench.stored().await;
    let mut all = values(&stored);
    all.sort();
    assert_eq!(all, values(&written));
    if keeps_order(&bench.place()) {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        stored.into_iter().for_each(|item| keys.entry(item.key).or_default().push(item.value));
        assert_eq!(keys.len(), 4);
        assert!(keys.values().all(|values| values.is_sorted()), "{keys:?}");
    }
}

/// A publication that the destination refuses permanently is rejected; the publications around it are not.
pub async fn a_publication_that_is_refused_for_good_is_rejected_alone(bench: &impl Bench) {
    let mut outlet = Outlet::open(bench).await;
    outlet.publish_all(&items("k", 0..2));
    let large = outlet.publication("k", Some(vec![b'x'; bench.too_large()].into()));
    assert!(outlet.publish(&large));
    outlet.publish_all(&items("k", 2..4));
    let results = outlet.close(WAIT).await;
    assert!(matches!(results[2], Err(Refusal::Rejected(..))), "{results:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4, "{results:?}");
    let mut stored = values(&bench.stored().await);
    stored.sort();
    assert_eq!(stored, values(&items("k", 0..4)));
}

/// A publication during an outage waits, or is refused as unavailable. It is never rejected, and never reported as
/// durable without being stored.
pub async fn publications_are_not_lost_in_an_outage(bench: &impl Bench) {
    let mut outlet = Outlet::open(bench).await;
    outlet.publish_all(&mixed(0..8));
    assert!(outlet.settled().await.iter().all(Result::is_ok));
    bench.leave();
    outlet.publish_all(&mixed(8..24));
    assert!(outlet.flush(SOON).await > 0 || outlet.answered() == 24, "a flush says how many were not answered");
    bench.come_back();
    let results = outlet.close(WAIT).await;
    let stored = bench.stored().await;
    let there: BTreeSet<&str> = stored.iter().map(|item| item.value.as_str()).collect();
    for (item, result) in mixed(0..24).iter().zip(&results) {
        match result {
            Ok(()) => assert!(there.contains(item.value.as_str()), "{item:?} is durable and not there"),
            Err(Refusal::Unavailable(_)) => {}
            Err(refusal) => panic!("{item:?}: {refusal:?}"),
        }
    }
    if keeps_order(&bench.place()) {
        // Repeats are allowed, but the first copy of a message is never behind a later message of its key.
        let mut last: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for item in stored.iter().filter(|item| seen.insert(&item.value)) {
            let before = last.insert(&item.key, &item.value);
            assert!(before < Some(&item.value), "{item:?} after {before:?}");
        }
    }
}

/// During an outage, a flush returns the number of unanswered publications within its limit, and a close ends within
/// its limit and settles them as unavailable.
pub async fn flush_and_close_are_bounded_while_the_broker_is_away(bench: &impl Bench) {
    let mut outlet = Outlet::open(bench).await;
    outlet.publish_all(&items("k", 0..1));
    assert_eq!(outlet.settled().await, [Ok(())]);
    bench.leave();
    outlet.publish_all(&items("k", 1..4));
    let unanswered = outlet.flush(SOON).await;
    assert_eq!(unanswered, 4 - outlet.answered(), "nobody answers while the broker is away");
    let results = outlet.close(SOON).await;
    bench.come_back();
    assert!(results[1..].iter().all(|result| matches!(result, Err(Refusal::Unavailable(_)))), "{results:?}");
}

/// The source reads what the sink wrote: value, tombstone and headers, and the key if the destination has keys or
/// groups.
pub async fn key_headers_and_tombstones_come_back_as_written(bench: &impl Bench) {
    let header = |name: &'static str, value: Option<&'static [u8]>, kind| Header { name: name.as_bytes(), value, kind };
    let headers = match bench.place().layout() {
        Layout::Record => Headers::from([
            header("b", Some(b"2"), Kind::Bytes),
            header("a", Some(&[0, 255]), Kind::Bytes),
            header("b", None, Kind::Bytes),
            header("e", Some(b""), Kind::Bytes),
        ]),
        Layout::Attributes => Headers::from([
            header("a-text", Some("d\u{fc}".as_bytes()), Kind::Text),
            header("b-number", Some(b"-1.5"), Kind::Number),
            header("c-bytes", Some(&[0, 255]), Kind::Bytes),
        ]),
    };
    let payloads: [Option<&'static [u8]>; 5] = [Some(b"text"), Some(b""), Some(&[0, 255]), Some(b" "), None];
    let mut outlet = Outlet::open(bench).await;
    let mut written: Vec<Publication> = Vec::new();
    for (number, payload) in payloads.into_iter().enumerate() {
        let mut publication = outlet.publication("k", payload.map(Bytes::from_static));
        publication.headers.clone_from(&headers);
        let number = number.to_string();
        publication.headers.push(Header { name: b"number", value: Some(number.as_bytes()), kind: headers_kind(bench) });
        assert!(outlet.publish(&publication));
        written.push(publication);
    }
    assert!(outlet.close(WAIT).await.iter().all(Result::is_ok));

    let mut reader = Reader::open(bench).await;
    reader.grant(payloads.len() as u32);
    for one in reader.take_and_settle(payloads.len()).await {
        let number = one.record.headers.iter().find(|header| header.name == b"number").and_then(|it| it.value);
        let number = number.and_then(|it| std::str::from_utf8(it).ok()).and_then(|it| it.parse::<usize>().ok());
        let publication = &written[number.expect("it has its number")];
        assert_eq!(one.record.payload, publication.payload);
        let sorted = |mut headers: Headers| {
            // Attributes have no order.
            if bench.place().layout() == Layout::Attributes {
                headers.sort_by_name();
            }
            headers
        };
        assert_eq!(sorted(one.record.headers.clone()), sorted(publication.headers.clone()));
        if keeps_order(&bench.place()) {
            assert_eq!(one.record.key.as_deref(), Some(&b"k"[..]));
        }
    }
    reader.close().await;
}

/// Returns the type that a header without a type has after reading.
fn headers_kind(bench: &impl Bench) -> Kind<'static> {
    match bench.place().layout() {
        Layout::Record => Kind::Bytes,
        Layout::Attributes => Kind::Text,
    }
}
