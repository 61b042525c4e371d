//! A key is handled in order across retries, and while it waits the others go on.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::{Probe, Signal};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_retried_stays_in_order_and_others_pass_it() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    // One partition: the first of `slow` fails twice, and 20 of its own and 100 of others stand behind it.
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
