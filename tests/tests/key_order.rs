//! Messages of a key are handled in order across retries, and other keys continue meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::{Probe, Record, Signal};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_retried_stays_in_order_and_others_pass_it() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    // One partition: the first message of `slow` fails twice; 20 of the same key and 100 of others are behind it.
    let mut records = vec![Probe::ask("slow", "fail", 0)];
    for number in 1..=20 {
        records.push(Probe::ask("slow", "echo", number));
        records.extend((0..5).map(|other| Probe::ask(&format!("quick-{other}"), "echo", number)));
    }
    kafka.produce(&probe.input, records).await;
    let mut host = probe.start(kafka, r#"retry = { initial_delay = "1s", jitter = 0.0 }"#);
    let outputs = probe.outputs(kafka, 121, Duration::from_secs(60)).await;
    host.signal(Signal::TERM);
    let ended = host.wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    assert_eq!(ended.account()["retried"], 2);

    let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (key, number) in &outputs {
        by_key.entry(key).or_default().push(*number);
    }
    for (key, numbers) in &by_key {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    assert_eq!(by_key["slow"].len(), 21);
    let first_slow = outputs.iter().position(|(key, _)| key == "slow").expect("it comes");
    assert_eq!(first_slow, 100, "all others came before the key that had to wait");
}

const LONG: Duration = Duration::from_secs(60);

/// Returns a message whose next attempt is an hour away.
fn waits(number: usize) -> Record {
    let payload = format!(r#"{{"do":"fail","times":99,"number":{number}}}"#);
    Record::new(payload).key(format!("waits-{number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_waits_does_not_hold_up_the_others_of_its_partition() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 12).await;
    let others = (1..=1_500).map(|number| Probe::ask(&format!("key-{number}"), "echo", number));
    kafka.produce(&probe.input, [waits(0)].into_iter().chain(others).map(|record| record.partition(0))).await;
    // A wait of an hour, in a partition whose share of the in-flight bound is 100 / 12.
    let host = probe.start(
        kafka,
        r#"max_in_flight = { messages = 100, bytes = "64MiB" }
        retry = { initial_delay = "1h", max_delay = "1h" }"#,
    );
    probe.outputs(kafka, 1_500, LONG).await;
    assert!(!host.stderr().iter().any(|line| line.contains("partition_blocked")), "{:#?}", host.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_waiting_records_block_says_behind_which_offset_and_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.produce(&probe.input, (0..30).map(waits)).await;
    let host = probe.start(
        kafka,
        r#"max_in_flight = { messages = 10, bytes = "64MiB" }
        breaker = { failures = 0 }
        retry = { initial_delay = "1h", max_delay = "1h" }"#,
    );
    host.says("partition_blocked", LONG).await;
    let said = host.stderr().into_iter().find(|line| line.contains("partition_blocked")).expect("it was said");
    for part in ["in_flight", "behind", "blocked_since", probe.input.as_str()] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
