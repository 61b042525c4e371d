//! Leases, and their equivalents on brokers without leases.

use std::time::Duration;

use super::reader::values_of;
use super::{Answer, Bench, Reader, SHORT, items};

/// While one reader holds a message, no other reader receives it: as long as its lease is extended or, on a broker
/// without leases, as long as the reader is connected. When a lease ends, another reader receives the message, and the
/// source reports the loss to the first reader.
///
/// If acknowledgements are cumulative, a reader holds partitions, not messages: see `share`.
pub async fn a_message_that_is_held_is_not_handed_to_another_reader(bench: &impl Bench) {
    match (bench.traits().acknowledges_each(), bench.traits().lease) {
        (false, _) => held_by_its_partition(bench).await,
        (true, Some(_)) => held_by_its_lease(bench).await,
        (true, None) => held_by_its_reader(bench).await,
    }
}

async fn held_by_its_lease(bench: &impl Bench) {
    bench.write(&items("held", 0..1)).await;
    bench.write(&items("let go", 1..2)).await;
    let mut first = Reader::open(bench).await;
    first.grant(2);
    let mut taken = first.take(2).await;
    taken.sort_by_key(|one| one.value());
    let [held, let_go] = taken.try_into().expect("there are two");
    assert_eq!(first.extend(&held, Duration::from_secs(120)).await, Answer::Done);
    // Extend it again now, so that a slow machine has the whole time.
    assert_eq!(first.extend(&let_go, SHORT).await, Answer::Done);

    let mut second = Reader::open(bench).await;
    second.grant(10);
    let came = second.take(1).await;
    assert_eq!(came[0].value(), let_go.value());
    assert_eq!(first.try_settle(&[let_go]).await, [Answer::Lost], "somebody else has it");
    assert_eq!(first.try_settle(&[held]).await, [Answer::Done]);
    second.settle(&came).await;
    second.nothing_comes_while_a_round_trip_lasts(&came).await;
    first.close().await;
    second.close().await;
}

async fn held_by_its_reader(bench: &impl Bench) {
    bench.write(&items("held", 0..2)).await;
    let mut first = Reader::open(bench).await;
    first.grant(2);
    let held = first.take(2).await;
    let mut second = Reader::open(bench).await;
    second.grant(10);
    bench.write(&items("free", 2..3)).await;
    let free = second.take(1).await;
    assert_eq!(values_of(&free), ["002"]);
    second.settle(&free).await;
    second.nothing_comes_while_a_round_trip_lasts(&free).await;
    first.settle(&held[..1]).await;
    first.close().await;
    assert_eq!(values_of(&second.take(1).await), [held[1].value()], "it was the reader's, who has left");
    second.close().await;
}

async fn held_by_its_partition(bench: &impl Bench) {
    bench.write(&items("held", 0..2)).await;
    let mut first = Reader::open(bench).await;
    first.grant(2);
    let held = first.take(2).await;
    first.settle(&held[..1]).await;
    let mut second = Reader::open(bench).await;
    second.grant(10);
    second.nothing_comes_while_a_round_trip_lasts(&[]).await;
    first.close().await;
    assert_eq!(values_of(&second.take(1).await), [held[1].value()], "it was the member's, who has left");
    second.close().await;
}
