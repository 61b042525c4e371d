//! Drains.

use std::time::Duration;

use super::{Bench, Reader, items, with_short_lease};

/// After a stop a source starts no new receive. It returns the messages of running receives and then no more. It
/// answers requests as before, and closes.
pub async fn a_source_that_is_stopped_runs_dry(bench: &impl Bench) {
    bench.write(&items("k", 0..2)).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(2);
    let taken = reader.take(2).await;
    // A source with single acknowledgements may have running receives. A log source returns all granted records, and a
    // drain leaves them uncommitted.
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

    // Messages that were not received are available at once.
    let mut next = Reader::open(bench).await;
    next.grant(10);
    assert_eq!(next.take_and_settle(1).await[0].value(), "002");
    next.close().await;
}

/// While the broker is unreachable, `close` ends within its limit, whatever requests are pending; and a new source can
/// be created afterwards.
pub async fn closing_is_bounded_while_the_broker_is_away(bench: &impl Bench) {
    bench.write(&items("k", 0..2)).await;
    let mut reader = Reader::open_with(bench, with_short_lease(bench.traits())).await;
    reader.grant(2);
    let taken = reader.take(2).await;
    bench.leave();
    reader.ask_to_settle(&taken[..1]);
    reader.stop();
    // The result of `close` does not matter: the source may not have been able to leave its group.
    let _ = reader.close_within(Duration::from_secs(1)).await;
    bench.come_back();

    let mut next = Reader::open(bench).await;
    next.grant(10);
    // The first message may be settled or not; the second is not.
    while !next.seen.iter().any(|one| one.value() == taken[1].value()) {
        next.turn().await;
    }
    next.close().await;
}
