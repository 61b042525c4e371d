//! Returning single messages, or a whole partition.

use std::time::Duration;

use tokio::time::Instant;

use super::reader::values_of;
use super::{Bench, Reader, assert_all, items, values};

/// A delay that a test can tell from none, in whole seconds.
const DELAY: Duration = Duration::from_secs(1);

/// A returned message is delivered again; with a delay, if the source has delays, not before the delay ends. If
/// acknowledgements are cumulative, a reread delivers exactly the messages behind the commit point again.
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

/// If the source keeps the order of returned messages, they come before later messages of their key that were not
/// delivered yet.
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
