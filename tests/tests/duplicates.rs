//! An event that was handled before is acknowledged and not handled again, also after a kill and from another host.

use std::time::Duration;

use kit::{Kafka, Probe, Record, Signal, eventually};

const LONG: Duration = Duration::from_secs(60);
const EVENTS: usize = 400;
/// The group notices a dead member soon.
const PROPERTIES: &str = r#""session.timeout.ms" = "3000", "heartbeat.interval.ms" = "500""#;

/// A CloudEvent that the probe copies.
fn event(id: usize) -> Record {
    let text = format!(
        r#"{{"specversion":"1.0","id":"event-{id}","source":"/test","type":"t","data":{{"do":"echo","number":{id}}}}}"#
    );
    Record::new(text).key(format!("key-{}", id % 7)).header("content-type", "application/cloudevents+json")
}

async fn settled(kafka: &Kafka, probe: &Probe) -> usize {
    let committed = kafka.committed(&probe.group, &probe.input).await;
    committed.values().map(|committed| usize::try_from(committed.offset).expect("an offset")).sum()
}

/// Every event twice, hosts killed in the middle: each has its effect once, but for what a kill caught between the effect
/// and the record of it.
async fn each_has_its_effect_once(kafka: &Kafka, store: &str) {
    let probe = Probe::new(kafka, 2).await;
    let route = format!("duplicates = \"suppress\"\nin_flight = {{ messages = 50 }}\n[dedupe]\n{store}");
    let mut host = probe.events(kafka.bootstrap(), PROPERTIES, &route).start();
    kafka.produce(&probe.input, (0..EVENTS).map(event)).await;
    eventually("half is settled", LONG, async || (settled(kafka, &probe).await >= EVENTS / 2).then_some(())).await;
    host.restart();
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == EVENTS).then_some(())).await;
    // The producer did not see its acknowledgements, and sends everything again.
    kafka.produce(&probe.input, (0..EVENTS).map(event)).await;
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == 2 * EVENTS).then_some(())).await;
    host.signal(Signal::TERM);
    let ended = host.wait(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let duplicates = usize::try_from(ended.account()["duplicates"].as_u64().expect("a number")).expect("few");
    assert!(duplicates >= EVENTS, "{duplicates} were suppressed");
    let outputs = kafka.read_all(&probe.output).await;
    let ids: std::collections::BTreeSet<_> =
        outputs.iter().map(|output| output.header("ce_id").expect("an event").to_owned()).collect();
    assert_eq!(ids.len(), EVENTS, "none is missing");
    assert!(outputs.len() <= EVENTS + 50, "{} outputs, and 50 were in flight at the kill", outputs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_disk() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    each_has_its_effect_once(kafka, "store = \"disk\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    each_has_its_effect_once(kafka, &format!("store = \"redis\"\nurl = \"{}\"", redis.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(postgres) = kit::or_say_so(kit::postgres().await) else { return };
    each_has_its_effect_once(kafka, &format!("store = \"postgres\"\nurl = \"{}\"", postgres.url())).await;
}
