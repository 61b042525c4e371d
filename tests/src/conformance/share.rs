//! Several readers of one topic or queue.

use std::collections::BTreeMap;

use cofferdam_core::ids::Partition;

use super::reader::{Hold, values_of};
use super::{Bench, Reader, Taken, mixed, values};

/// If acknowledgements are cumulative, a new member causes a rebalance: committed messages are not read again, all
/// others are. If each message is acknowledged, the readers share the messages, and no reader gets a message that
/// another holds.
pub async fn readers_share_a_place_without_loss_or_repeats(bench: &impl Bench) {
    match bench.traits().acknowledges_each() {
        true => share_messages(bench).await,
        false => hand_partitions_over(bench).await,
    }
}

async fn share_messages(bench: &impl Bench) {
    let written = mixed(0..40);
    bench.write(&written).await;
    let mut readers = [Reader::open(bench).await, Reader::open(bench).await];
    readers.iter_mut().for_each(|reader| reader.grant(40));
    let mut all = Vec::new();
    while all.len() < written.len() {
        let [first, second] = &mut readers;
        tokio::select! {
            () = first.turn() => {}
            () = second.turn() => {}
        }
        for reader in &mut readers {
            // More messages may arrive while these are settled.
            while !reader.seen.is_empty() {
                let taken: Vec<Taken> = reader.seen.drain(..).collect();
                reader.settle(&taken).await;
                all.extend(values_of(&taken));
            }
        }
    }
    all.sort();
    assert_eq!(all, values(&written));
    for reader in readers {
        reader.close().await;
    }
}

async fn hand_partitions_over(bench: &impl Bench) {
    let written = mixed(0..40);
    bench.write(&written).await;
    let mut old = Reader::open(bench).await;
    old.grant(1_000);
    let mut partitions: BTreeMap<Partition, Vec<Taken>> = BTreeMap::new();
    for one in old.take(40).await {
        let Hold::Offset(partition, _) = one.hold.clone() else { panic!("no offset: {one:?}") };
        partitions.entry(partition).or_default().push(one);
    }
    assert!(partitions.len() > 1, "a bench with partitions has several, and keys of the suite in each");

    let mut new = Reader::open(bench).await;
    new.grant(1_000);
    while old.revoked.is_empty() {
        old.turn().await;
    }
    let mut expected = Vec::new();
    for partition in std::mem::take(&mut old.revoked) {
        let taken = &partitions[&partition];
        let (committed, left) = taken.split_at(taken.len() / 2);
        let [position] = Reader::positions(committed).try_into().expect("one partition");
        old.give_up(position).await;
        expected.extend(values_of(left));
    }
    let mut read = values_of(&new.take_and_settle(expected.len()).await);
    read.sort();
    expected.sort();
    assert_eq!(read, expected, "behind the commit, and all of it");

    // Both readers go on, each with its own messages.
    bench.write(&mixed(40..60)).await;
    let mut all = Vec::new();
    while all.len() < 20 {
        tokio::select! {
            () = old.turn() => {}
            () = new.turn() => {}
        }
        all.extend(old.seen.drain(..).chain(new.seen.drain(..)).map(|one| one.value()));
    }
    all.sort();
    assert_eq!(all, values(&mixed(40..60)));
    old.close().await;
    new.close().await;
}
