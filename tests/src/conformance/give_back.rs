//! Return: message by message, or a whole partition.

use std::time::Duration;

use tokio::time::Instant;

use super::reader::values_of;
use super::{Bench, Reader, assert_all, items, values};

/// Long enough to be told from none, in whole seconds.
const DELAY: Duration = Duration::from_secs(1);

/// What is returned comes again; with a delay, where the source has them, not before it. Where acknowledgements are
/// cumulative, what is behind the commit point comes again after a reread, and nothing before it.
pub async fn a_returned_message_comes_again_and_not_before_its_delay(bench: &impl Bench) {
    let traits = bench.traits();
    bench.write(&items("k", 0..4)).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(4);
    let taken = reader.take(4).await;
    reader.settle(&taken[..2]).await;
    let returned = &taken[2..];
    let begun = Instant::now();
    let delay = traits.longest_delay.map_or(Duration::ZERO, |longest| longest.min(DELAY));
    if traits.acknowledges_each() {
        reader.release(returned, delay);
    } else {
        reader.reread(returned).await;
    }
    reader.grant(2);
    let again = reader.take_and_settle(2).await;
    assert!(begun.elapsed() >= delay, "they came back after {:?}", begun.elapsed());
    assert_all(&bench.place(), values_of(&again), values_of(returned));
    if traits.counts_deliveries {
        assert!(again.iter().all(|one| one.receives == 2), "the broker counts: {again:?}");
    }
    reader.close().await;
}

/// Where the source keeps the order of what is returned, it comes before later messages of its key that nobody had.
pub async fn returned_messages_keep_the_order_of_their_key(bench: &impl Bench) {
    let traits = bench.traits();
    let written = items("k", 0..6);
    bench.write(&written).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(3);
    let taken = reader.take(3).await;
    if traits.acknowledges_each() {
        reader.release(&taken, Duration::ZERO);
    } else {
        reader.reread(&taken).await;
    }
    reader.grant(6);
    let all = values_of(&reader.take_and_settle(6).await);
    if traits.keeps_order_on_return {
        assert_all(&bench.place(), all, values(&written));
    } else {
        let mut all = all;
        all.sort();
        assert_eq!(all, values(&written));
    }
    reader.close().await;
}
