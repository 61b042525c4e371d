//! Drains.

use std::time::Duration;

use super::{Bench, Reader, items, with_short_lease};

/// After a stop a source goes dry: what receives under way still bring is handed over, and then nothing more. It answers asks
/// as before, and closes.
pub async fn a_source_that_is_stopped_runs_dry(bench: &impl Bench) {
    bench.write(&items("k", 0..2)).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(2);
    let taken = reader.take(2).await;
    // A source of single messages may have receives under way. One of a log hands over what it was granted, which a drain
    // leaves uncommitted.
    if bench.traits().acknowledges_each() {
        reader.grant(10);
    }
    reader.stop();
    while !reader.is_dry() {
        reader.turn().await;
    }
    bench.write(&items("other", 2..3)).await;
    assert!(reader.seen.is_empty(), "there was nothing more to receive");
    reader.settle(&taken).await;
    reader.nothing_comes_while_a_round_trip_lasts(&taken).await;
    assert!(reader.is_dry(), "it stays so");
    reader.close().await;

    // What was not received is there, at once.
    let mut next = Reader::open(bench).await;
    next.grant(10);
    assert_eq!(next.take_and_settle(1).await[0].value(), "002");
    next.close().await;
}

/// `close` ends within its limit, whatever was asked, while the broker is away; and a source can be made anew afterwards.
pub async fn closing_is_bounded_while_the_broker_is_away(bench: &impl Bench) {
    bench.write(&items("k", 0..2)).await;
    let mut reader = Reader::open_with(bench, with_short_lease(bench.traits())).await;
    reader.grant(2);
    let taken = reader.take(2).await;
    bench.leave();
    reader.ask_to_settle(&taken[..1]);
    reader.stop();
    // What it says of its end is its own: it may not have been able to leave.
    let _ = reader.close_within(Duration::from_secs(1)).await;
    bench.come_back();

    let mut next = Reader::open(bench).await;
    next.grant(10);
    // The first may have been settled or not; the second was not.
    while !next.seen.iter().any(|one| one.value() == taken[1].value()) {
        next.turn().await;
    }
    next.close().await;
}
