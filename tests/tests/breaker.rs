//! When everything fails it is not the messages: the route stops, and goes on by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kit::{Probe, Record, eventually};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_and_no_message_is_burned() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let route = r#"
        concurrency = 4
        retry = { initial_delay = "50ms", max_attempts = 3 }
        breaker = { failures = 10, probe_after = "300ms" }
    "#;
    let host = probe.host(kafka.bootstrap(), "", route).start();
    host.says("running", LONG).await;
    // What the handler needs comes back in five seconds.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let until = (now + Duration::from_secs(5)).as_millis();
    let records = (0..400).map(|number| {
        Record::new(format!(r#"{{"do":"until","until_ms":{until},"number":{number}}}"#)).key(format!("key-{number}"))
    });
    kafka.produce(&probe.input, records).await;
    host.says("circuit_open", LONG).await;
    // Ten failures, and what ran beside the tenth.
    let failed = host.stderr().iter().filter(|line| line.contains("message_nacked")).count();
    assert!((10..=14).contains(&failed), "{failed}");
    host.says("circuit_closed", LONG).await;
    probe.outputs(kafka, 400, LONG).await;
    assert!(kafka.read_all(&probe.dead_letters).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_not_flushed_into_its_dead_letters() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let bad = (0..2_000).map(|number| Probe::ask(&format!("key-{number}"), "permanent", number));
    kafka.produce(&probe.input, bad).await;
    let route = r#"
        concurrency = 4
        breaker = { dead_letters = 20, window = 40, probe_after = "1h" }
    "#;
    let mut host = probe.host(kafka.bootstrap(), "", route).start();
    host.says("circuit_open", LONG).await;
    let stored = eventually("what ran is stored", LONG, async || {
        let stored = kafka.read_all(&probe.dead_letters).await.len();
        let committed = kafka.committed(&probe.group, &probe.input).await.remove(&0)?;
        (committed.offset == stored as i64).then_some(stored)
    })
    .await;
    assert!((20..=24).contains(&stored), "{stored}");
    host.signal(kit::Signal::TERM);
    let ended = host.wait(LONG).await;
    assert_eq!(ended.account()["dead_lettered"], stored);
}
