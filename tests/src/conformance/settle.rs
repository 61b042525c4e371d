//! Settling messages, and redelivery.

use std::time::Duration;

use super::reader::values_of;
use super::{Bench, Reader, assert_all, items, values, with_short_lease};

/// After its reader has closed, a settled message is never delivered again, and an unsettled message is.
pub async fn a_settled_message_never_comes_again(bench: &impl Bench) {
    bench.write(&items("k", 0..6)).await;
    let mut first = Reader::open(bench).await;
    first.grant(6);
    let taken = first.take(6).await;
    first.settle(&taken[..4]).await;
    let left = values_of(&taken[4..]);
    if bench.traits().acknowledges_each() {
        first.release(&taken[4..], Duration::ZERO);
    }
    first.close().await;

    bench.write(&items("k", 6..7)).await;
    let mut second = Reader::open(bench).await;
    second.grant(10);
    let again = second.take_and_settle(3).await;
    assert_all(&bench.place(), values_of(&again), [left, values(&items("k", 6..7))].concat());
    second.nothing_comes_while_a_round_trip_lasts(&again).await;
    second.close().await;
}

/// After a reader ends without closing, as in a crash, all messages that it held are delivered again: once each, and in
/// order.
pub async fn a_message_of_a_reader_that_vanished_comes_again(bench: &impl Bench) {
    let written = items("k", 0..5);
    bench.write(&written).await;
    let mut first = Reader::open_with(bench, with_short_lease(bench.traits())).await;
    first.grant(5);
    let taken = first.take(5).await;
    assert!(taken.iter().all(|one| one.receives == 1), "they were never delivered before");
    drop(first);

    let mut second = Reader::open(bench).await;
    second.grant(10);
    let again = second.take_and_settle(5).await;
    assert_all(&bench.place(), values_of(&again), values(&written));
    if bench.traits().counts_deliveries {
        assert!(again.iter().all(|one| one.receives == 2), "the broker counts: {again:?}");
    }
    second.close().await;
}
