//! An event that was handled before is acknowledged and not handled again, also after a kill and by another host.

use std::time::Duration;

use kit::{Kafka, Probe, Record, Signal, eventually};

const LONG: Duration = Duration::from_secs(60);
const EVENTS: usize = 400;
/// So that the group soon notices a dead member.
const PROPERTIES: &str = r#""session.timeout.ms" = "3000", "heartbeat.interval.ms" = "500""#;

/// Returns a CloudEvent that the probe copies.
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

/// Sends every event twice and kills hosts in between: each event has its effect once, except events that a kill hit
/// between the effect and the stored id.
async fn each_has_its_effect_once(kafka: &Kafka, store: &str) {
    let probe = Probe::new(kafka, 2).await;
    let route = format!("duplicates = \"suppress\"\nmax_in_flight = {{ messages = 50 }}\n[dedupe]\n{store}");
    let mut host = probe.events(kafka.bootstrap(), PROPERTIES, &route).start();
    kafka.produce(&probe.input, (0..EVENTS).map(event)).await;
    eventually("half is settled", LONG, async || (settled(kafka, &probe).await >= EVENTS / 2).then_some(())).await;
    host.restart();
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == EVENTS).then_some(())).await;
    // The producer got no acknowledgements and sends everything again.
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

/// Handles these payloads one after the other with duplicate suppression, and returns the numbers of outputs and dead
/// letters.
async fn handled(kafka: &Kafka, envelope: &str, payloads: &[&str]) -> (usize, usize) {
    let probe = Probe::new(kafka, 1).await;
    let route = "duplicates = \"suppress\"\n[dedupe]\nstore = \"memory\"";
    let mut host = probe.enveloped(kafka.bootstrap(), PROPERTIES, envelope, route).start();
    kafka.produce(&probe.input, payloads.iter().map(|payload| Record::new(*payload).key("k"))).await;
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == payloads.len()).then_some(())).await;
    host.signal(Signal::TERM);
    host.wait(LONG).await;
    (kafka.read_all(&probe.output).await.len(), kafka.read_all(&probe.dead_letters).await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_an_id_are_never_taken_for_duplicates() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let payloads = [
        r#"{"id":null,"do":"echo"}"#,
        r#"{"id":null,"do":"echo"}"#,
        r#"{"id":"","do":"echo"}"#,
        r#"{"id":"","do":"echo"}"#,
        r#"{"do":"echo"}"#,
        r#"{"id":"1","do":"echo"}"#,
        r#"{"id":"1","do":"echo"}"#,
        r#"{"id":"2","task_name":null,"do":"echo"}"#,
    ];
    let envelope = r#"{ json = { required = ["task_name"], attributes = { task_name = "/do" } } }"#;
    assert_eq!(handled(kafka, envelope, &payloads).await, (7, 0), "one of two with the id 1 is a duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_two_sources_are_different_events() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let event = |members: &str| format!(r#"{{"specversion":"1.0","type":"t",{members},"data":{{"do":"echo"}}}}"#);
    let payloads = [
        r#""id":"1","source":"/shop/berlin""#,
        r#""id":"1","source":"/shop/paris""#,
        r#""id":"1","source":"/shop/berlin""#,
        r#""id":null,"source":"/shop/berlin""#,
        r#""id":null,"source":"/shop/berlin""#,
        r#""id":"2","source":null"#,
        r#""id":"3","source":"/shop/berlin","subject":null,"data_base64":null"#,
    ]
    .map(event);
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    // Without an id or a source it is not a CloudEvent. Nothing is dropped silently.
    assert_eq!(handled(kafka, "\"cloudevents\"", &payloads).await, (3, 3));
}

/// Starts a host with its ids on disk in `folder` and its own message, and stops it when the message is handled or the
/// host ends by itself.
async fn with_ids_in(kafka: &Kafka, probe: &Probe, folder: &std::path::Path) -> kit::Ended {
    let route = format!("duplicates = \"suppress\"\n[storage]\npath = {folder:?}\n[dedupe]\nstore = \"disk\"");
    let mut host = probe.events(kafka.bootstrap(), PROPERTIES, &route).start();
    let before = settled(kafka, probe).await;
    kafka.produce(&probe.input, [event(before)]).await;
    eventually("it handles, or ends", LONG, async || {
        let refused = host.stderr().iter().any(|line| line.starts_with("cofferdam: "));
        (refused || settled(kafka, probe).await > before).then_some(())
    })
    .await;
    host.signal(Signal::TERM);
    host.wait(LONG).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_empty_or_damaged_is_refused_by_name() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let storage = folder.path().join("storage");
    let file = storage.join("dedupe.redb");
    assert_eq!(with_ids_in(kafka, &probe, &storage).await.code(), Some(0));
    let good = std::fs::read(&file).expect("ids on disk");
    let zeroed = [&[0_u8; 4096][..], &good[4096..]].concat();
    for (how, bytes) in [("empty", &[][..]), ("cut", &good[..good.len() / 2]), ("zeroed", &zeroed[..])] {
        std::fs::write(&file, bytes).expect("it can be written");
        let ended = with_ids_in(kafka, &probe, &storage).await;
        let told = ended.stderr.join("\n");
        assert_eq!(ended.code(), Some(65), "{how}: {told}");
        assert!(
            told.contains("dedupe.redb is damaged: ") && told.contains("to start with an empty one"),
            "{how}: {told}"
        );
    }
    std::fs::write(&file, good).expect("it can be written");
    assert_eq!(with_ids_in(kafka, &probe, &storage).await.code(), Some(0), "restored");
}
