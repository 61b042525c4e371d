//! Outages, for sources.

use std::collections::BTreeSet;

use super::{Answer, Bench, Reader, Taken, items};

/// A request during an outage is answered, during the outage or after it: as done, as failed, or as lost; a lost
/// message is delivered again. Messages that were written during the outage are delivered too.
pub async fn asks_made_while_the_broker_is_away_are_answered_and_the_source_goes_on(bench: &impl Bench) {
    bench.write(&items("k", 0..2)).await;
    let mut reader = Reader::open(bench).await;
    reader.grant(100);
    let mut open = reader.take(2).await;
    bench.leave();
    reader.ask_to_settle(&open);
    // The source handles the request during all of this.
    let meanwhile = items("other", 2..4);
    tokio::select! {
        () = reader.turn_for_ever() => {}
        () = bench.write(&meanwhile) => {}
    }
    bench.come_back();

    let mut answers = reader.answers_of(&open).await;
    let mut settled = BTreeSet::new();
    loop {
        let mut failed: Vec<Taken> = Vec::new();
        for (one, answer) in open.into_iter().zip(answers) {
            match answer {
                Answer::Done => _ = settled.insert(one.value()),
                Answer::Failed => failed.push(one),
                Answer::Lost => {} // it is delivered again
            }
        }
        if settled.len() == 4 {
            break;
        }
        while failed.is_empty() && reader.seen.is_empty() {
            reader.turn().await;
        }
        failed.extend(reader.seen.drain(..));
        open = failed;
        answers = reader.try_settle(&open).await;
    }
    reader.close().await;

    // Settled messages stay settled, including those that were settled during the outage.
    bench.write(&items("k", 4..5)).await;
    let mut next = Reader::open(bench).await;
    next.grant(10);
    let last = next.take_and_settle(1).await;
    assert_eq!(last[0].value(), "004");
    next.nothing_comes_while_a_round_trip_lasts(&last).await;
    next.close().await;
}
