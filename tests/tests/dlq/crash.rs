//! A replay that is killed, and the next replay.

use std::collections::HashMap;

use kit::{Signal, Stored};

use crate::desk::{WAIT, bare, marker, word};
use crate::replay::crafted;

/// Maximum number of dead letters in a batch.
const BATCH: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_loses_nothing_and_repeats_at_most_a_batch_with_the_same_bytes() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    const LETTERS: usize = 3_000;
    let (desk, source, topic) = crafted(kafka, LETTERS, 1).await;
    let mut kills = 0;
    for filter in [&["--code", "OTHER"][..], &["--code", "THIRD"], &[]] {
        let before = kafka.ends(&source).await[&0];
        let mut killed = desk.start(&[&["dlq", "replay", &topic, "--rate", "1000/s"], filter].concat());
        kit::eventually("it is in the middle", WAIT, async || {
            (kafka.ends(&source).await[&0] >= before + 250).then_some(())
        })
        .await;
        killed.kill();
        kills += 1;
    }
    let report = &desk.json(&["replay", &topic]).await[0];
    assert!(report["letters"].as_u64() < Some(LETTERS as u64 - 500), "it begins where the others ended: {report}");
    assert_eq!(desk.positions(&[&topic]).await, [""; 0]);

    let mut copies: HashMap<String, Vec<Stored>> = HashMap::new();
    for record in kafka.read_all(&source).await {
        copies.entry(record.text().to_owned()).or_default().push(record);
    }
    assert_eq!(copies.len(), LETTERS, "nothing is lost");
    let doubles: Vec<_> = copies.values().filter(|copies| copies.len() > 1).collect();
    let repeated: usize = doubles.iter().map(|copies| copies.len() - 1).sum();
    println!("{repeated} copies were sent twice, after {kills} kills");
    assert!(repeated <= kills * BATCH, "{repeated} after {kills} kills");
    for double in doubles {
        assert!(double.iter().all(|copy| marker(copy) == marker(&double[0])), "{double:?}");
        assert!(double.iter().all(|copy| bare(copy) == bare(&double[0])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_ends_its_batch_and_repeats_nothing() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 500, 1).await;
    let mut stopped = desk.start(&["dlq", "replay", &topic, "--rate", "200/s", "--json"]);
    kit::eventually("it has begun", WAIT, async || (kafka.ends(&source).await[&0] > 20).then_some(())).await;
    stopped.signal(Signal::INT);
    let ended = stopped.wait(WAIT).await;
    assert_eq!(ended.code(), Some(130), "{:#?}", ended.stderr);
    let first: serde_json::Value = serde_json::from_str(&ended.stdout[0]).expect("a report");
    let second = &desk.json(&["replay", &topic]).await[0];
    let [first, second] = [&first, second].map(|report| report["letters"].as_u64().expect("a number"));
    assert!(first < 500 && first + second == 500, "{first} and {second}");
    let stored = kafka.read_all(&source).await;
    assert_eq!(stored.len(), 500);
    assert!(stored.iter().all(|record| !word(&marker(record), "id").is_empty()));
}
