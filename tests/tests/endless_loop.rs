//! A handler in an endless loop delays other messages at most for its wall-time limit, and in practice much less.

use std::time::Duration;

use kit::{Probe, Signal};

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_does_not_delay_other_keys_by_its_limit() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let mut records = vec![Probe::ask("stuck", "loop", 0)];
    records.extend((1..=500).map(|number| Probe::ask(&format!("key-{number}"), "echo", number)));
    kafka.produce(&probe.input, records).await;
    let mut host = probe.start(kafka, "retry = { max_attempts = 1 }");
    probe.outputs(kafka, 500, Duration::from_secs(60)).await;
    // The loop ends after its limit of a second. All other messages, which were behind it, are handled before that.
    let stored = kafka.read_all(&probe.output).await;
    let times = stored.iter().map(|record| record.timestamp);
    let (first, last) = (times.clone().min().expect("some"), times.max().expect("some"));
    kit::eventually("the dead letter", Duration::from_secs(30), async || {
        (!kafka.read_all(&probe.dead_letters).await.is_empty()).then_some(())
    })
    .await;
    let dead = kafka.read_all(&probe.dead_letters).await;
    assert_eq!(dead[0].header("cofferdam-dlq-outcome"), Some("timed_out"));
    assert!(last - first < 1_000, "the last of the others came {} ms after the first", last - first);
    host.signal(Signal::TERM);
    let ended = host.wait(Duration::from_secs(60)).await;
    assert_eq!((ended.code(), &ended.account()["dead_lettered"]), (Some(0), &1.into()), "{:#?}", ended.stderr);
}
