//! Order and grants.

use std::collections::BTreeMap;

use super::reader::values_of;
use super::{Bench, Item, Reader, Taken, assert_all, items, keeps_order, mixed, values};

/// The size in bytes of messages whose size matters.
const SIZE: usize = 1_000;

/// Each message is delivered once, and the messages of a key in their order if messages have keys.
pub async fn messages_of_a_key_come_in_order_and_each_once(bench: &impl Bench) {
    let written = mixed(0..60);
    bench.write(&written).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(60);
    let taken = reader.take_and_settle(60).await;
    if keeps_order(&bench.place()) {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        taken.iter().for_each(|one| keys.entry(one.key()).or_default().push(one.value()));
        assert_eq!(keys.len(), 4, "keys come as they were written");
        assert!(keys.values().all(|values| values.is_sorted()), "{keys:?}");
    }
    let mut all = values_of(&taken);
    all.sort();
    assert_eq!(all, values(&written));
    reader.close().await;
}

/// A source returns as many messages as were granted, and waits for the next grant.
pub async fn no_more_messages_come_than_were_granted(bench: &impl Bench) {
    bench.write(&mixed(0..30)).await;
    let mut reader = Reader::open(bench).await;
    for granted in [1, 5, 12] {
        reader.grant(granted);
        // Settle each message as it comes: a queue delivers one batch of a group at a time.
        let taken = reader.take_and_settle(granted as usize).await;
        let last: Vec<Taken> = taken.last().cloned().into_iter().collect();
        reader.nothing_comes_while_a_round_trip_lasts(&last).await;
    }
    reader.close().await;
}

/// A grant of bytes counts the sizes of records. The last record may exceed the grant, and the excess counts against
/// the next grant.
pub async fn bytes_are_overdrawn_by_one_message_at_most(bench: &impl Bench) {
    let item = |item: Item| Item { value: format!("{}{}", item.value, "x".repeat(SIZE - 3)), ..item };
    let written: Vec<Item> = items("k", 0..8).into_iter().map(item).collect();
    bench.write(&written).await;
    let mut reader = Reader::open(bench).await;
    // The grant is for two and a half messages, so three come. The next grant does not cover the excess, so none comes;
    // the one after that covers one message.
    reader.grant_bytes(100, 2 * SIZE as u64 + 500);
    let mut taken = reader.take_and_settle(3).await;
    let size = taken[0].record.size() as u64;
    assert!((SIZE as u64..SIZE as u64 + 100).contains(&size), "a size is that of key and value: {size}");
    reader.nothing_comes_while_a_round_trip_lasts(&taken[2..]).await;
    let owed = 3 * size - (2 * SIZE as u64 + 500);
    reader.grant_bytes(0, owed);
    reader.nothing_comes_while_a_round_trip_lasts(&taken[2..]).await;
    reader.grant_bytes(0, 1);
    let one = reader.take_and_settle(1).await;
    reader.nothing_comes_while_a_round_trip_lasts(&one).await;
    taken.extend(one);
    assert_all(&bench.place(), values_of(&taken), values(&written[..4]));
    reader.close().await;
}
