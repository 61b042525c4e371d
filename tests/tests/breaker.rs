//! If every message fails, the circuit breaker pauses the route, and the route resumes by itself. A few bad messages
//! never pause it.

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
    // The dependency of the handler is available again after five seconds.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let until = (now + Duration::from_secs(5)).as_millis();
    let records = (0..400).map(|number| {
        Record::new(format!(r#"{{"do":"until","until_ms":{until},"number":{number}}}"#)).key(format!("key-{number}"))
    });
    kafka.produce(&probe.input, records).await;
    host.says("circuit_open", LONG).await;
    // Ten failures, and the attempts that ran at the same time as the tenth.
    let failed = host.stderr().iter().filter(|line| line.contains("message_nacked")).count();
    assert!((10..=14).contains(&failed), "{failed}");
    host.says("circuit_closed", LONG).await;
    probe.outputs(kafka, 400, LONG).await;
    assert!(kafka.read_all(&probe.dead_letters).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_the_poll_interval_costs_no_partition() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let properties = r#""session.timeout.ms" = "6000", "max.poll.interval.ms" = "7000""#;
    let route = r#"
        concurrency = 4
        revoke_timeout = "1s"
        retry = { initial_delay = "50ms", max_attempts = 99 }
        breaker = { failures = 10, probe_after = "300ms" }
    "#;
    let mut host = probe.host(kafka.bootstrap(), properties, route).start();
    host.says("running", LONG).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let until = (now + Duration::from_secs(11)).as_millis();
    let records = (0..400).map(|number| {
        Record::new(format!(r#"{{"do":"until","until_ms":{until},"number":{number}}}"#)).key(format!("key-{number}"))
    });
    kafka.produce(&probe.input, records).await;
    probe.outputs(kafka, 400, LONG).await;
    host.signal(kit::Signal::TERM);
    let ended = host.wait(LONG).await;
    let (account, stderr) = (ended.account(), ended.stderr.join("\n"));
    assert!(stderr.contains("circuit_open"), "{stderr}");
    assert_eq!((&account["received"], &account["revoked"]), (&400.into(), &0.into()), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_not_flushed_into_its_dead_letters() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let bad = (0..2_000).map(|number| Probe::ask(&format!("key-{number}"), "permanent", number));
    kafka.produce(&probe.input, bad).await;
    let route = r#"
        concurrency = 4
        breaker = { dead_letters = 20, probes = 1 }
    "#;
    let mut host = probe.host(kafka.bootstrap(), "", route).start();
    host.says("circuit_open", LONG).await;
    let stored = eventually("what ran is stored", LONG, async || {
        let stored = kafka.read_all(&probe.dead_letters).await.len();
        let committed = kafka.committed(&probe.group, &probe.input).await.remove(&0)?;
        (committed.offset == stored as i64).then_some(stored)
    })
    .await;
    // The attempts that ran at the same time as the twentieth, and the first probes.
    assert!((20..=30).contains(&stored), "{stored}");
    host.signal(kit::Signal::TERM);
    let ended = host.wait(LONG).await;
    assert!(ended.account()["dead_lettered"].as_u64() <= Some(40), "{}", ended.account());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_among_good_ones_stop_nobody_and_become_dead_letters() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let bad = |number| Record::new(format!(r#"{{"do":"fail","times":99,"number":{number}}}"#));
    let records = (0..1_000).map(|number| {
        let record = if number % 20 == 0 { bad(number) } else { Probe::ask("", "echo", number) };
        record.key(format!("key-{number}"))
    });
    kafka.produce(&probe.input, records).await;
    let mut host = probe.start(kafka, r#"retry = { initial_delay = "100ms", max_delay = "500ms" }"#);
    probe.outputs(kafka, 950, LONG).await;
    eventually("the bad ones are dead letters", LONG, async || {
        (kafka.read_all(&probe.dead_letters).await.len() == 50).then_some(())
    })
    .await;
    // Then a quiet topic: only bad messages, each with five attempts, and a good message after them.
    kafka.produce(&probe.input, (0..4).map(|number| bad(number).key(format!("bad-{number}")))).await;
    eventually("they are dead letters", LONG, async || {
        (kafka.read_all(&probe.dead_letters).await.len() == 54).then_some(())
    })
    .await;
    kafka.produce(&probe.input, [Probe::ask("good", "echo", 1)]).await;
    probe.outputs(kafka, 951, Duration::from_secs(10)).await;
    let opened: Vec<_> = host.stderr().into_iter().filter(|line| line.contains("circuit_open")).collect();
    assert!(opened.is_empty(), "{opened:?}");
    host.signal(kit::Signal::TERM);
    let account = host.wait(LONG).await.account();
    assert_eq!((&account["done"], &account["dead_lettered"]), (&951.into(), &54.into()), "{account}");
}
