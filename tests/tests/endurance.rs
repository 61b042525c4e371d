//! Hours at full load with a fault every ten seconds: a host that survives them uses no more memory and descriptors at
//! the end than at the begin.
//!
//! `ENDURANCE=7200 cargo test --release --workspace --test endurance -- --nocapture` runs two hours.

use std::time::{Duration, Instant};

use kit::{Host, Probe, eventually};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(180);
const FAULT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);
/// Minimum number of records that wait in the topic, so that the hosts are never idle.
const BACKLOG: i64 = 20_000;
const BATCH: usize = 5_000;
/// How often the figures are printed, so that an interrupted run has some.
const SAY: usize = 120;
/// Longest outage of a broker.
const STUCK: Duration = Duration::from_secs(90);
/// Longer than any regular fault: without an output for this time the test has no load.
const STILL: Duration = Duration::from_secs(300);

const PROPERTIES: &str =
    r#""session.timeout.ms" = 3000, "heartbeat.interval.ms" = 300, "reconnect.backoff.max.ms" = 500"#;

/// Resource usage of the host at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    memory: u64,
    descriptors: usize,
}

fn sample(host: &Host) -> Sample {
    Sample { memory: host.memory(), descriptors: host.descriptors() }
}

/// Returns the maxima of some samples.
fn peak(samples: &[Sample]) -> Sample {
    let memory = samples.iter().map(|sample| sample.memory).max().expect("there are some");
    let descriptors = samples.iter().map(|sample| sample.descriptors).max().expect("there are some");
    Sample { memory, descriptors }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_descriptors_stay_flat_under_load_and_faults() {
    let seconds = std::env::var("ENDURANCE").map_or(120, |text| text.parse().expect("a number of seconds"));
    let Some(mut kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let probe = Probe::new(&kafka, 4).await;
    for topic in [&probe.input, &probe.output] {
        // Hours of load would fill the disk.
        kafka.alter_topic(topic, "segment.bytes", "33554432").await;
        kafka.alter_topic(topic, "retention.bytes", "134217728").await;
    }
    let route = "max_in_flight = { messages = 5000 }";
    let mut survivor = probe.host(&kafka.through(), PROPERTIES, route).start();
    let mut other = probe.host(&kafka.through(), PROPERTIES, route).start();
    let (direct, enough) = (kafka.another(), CancellationToken::new());
    let load = tokio::spawn(load(direct, probe.input.clone(), probe.group.clone(), enough.clone()));

    let (started, mut samples, mut faults) = (Instant::now(), Vec::new(), 0_u32);
    let mut look = tokio::time::interval(LOOK);
    let (mut outputs, mut moved) = (0, Instant::now());
    while started.elapsed() < Duration::from_secs(seconds) {
        look.tick().await;
        samples.push(sample(&survivor));
        assert!(!load.is_finished(), "the load has ended");
        if samples.len() % SAY == 0 {
            let there: i64 = kafka.ends(&probe.output).await.values().sum();
            if there > outputs {
                (outputs, moved) = (there, Instant::now());
            }
            assert!(moved.elapsed() < STILL, "nothing has come out since {outputs} outputs");
            let latest = peak(&samples[samples.len() - SAY..]);
            let (seconds, mebibytes) = (started.elapsed().as_secs(), latest.memory >> 20);
            let descriptors = latest.descriptors;
            println!(
                "{seconds} s, {faults} faults, {outputs} outputs: peak {mebibytes} MiB, {descriptors} descriptors"
            );
        }
        if started.elapsed() < FAULT * (faults + 1) {
            continue;
        }
        faults += 1;
        match faults % 6 {
            1 => kafka.gate().cut(),
            2 => other.restart(),
            3 => other.pause(),
            4 => other.resume(),
            5 => survivor.pause(),
            _ => {
                kafka.stop().await;
                kafka.start().await;
            }
        }
        if faults % 6 == 5 {
            // Longer than its session, so that it loses its partitions; then it continues.
            tokio::time::sleep(Duration::from_secs(5)).await;
            survivor.resume();
        }
    }
    other.resume();
    enough.cancel();
    let produced = load.await.expect("the load is written");
    eventually("all is settled", LONG, async || {
        let ends = kafka.ends(&probe.input).await;
        let committed = kafka.committed(&probe.group, &probe.input).await;
        let settled = ends.iter().all(|(partition, end)| committed.get(partition).is_some_and(|it| it.offset == *end));
        settled.then_some(())
    })
    .await;
    let handled: i64 = kafka.ends(&probe.output).await.values().sum();
    let quarter = samples.len() / 4;
    let (early, late) = (peak(&samples[quarter..2 * quarter]), peak(&samples[3 * quarter..]));
    println!(
        "{seconds} s, {faults} faults, {produced} records, {handled} outputs: peak memory {} and {} MiB, descriptors {} and {}, \
         in the second and in the last quarter",
        early.memory >> 20,
        late.memory >> 20,
        early.descriptors,
        late.descriptors
    );
    assert!(handled >= produced, "{handled} of {produced}");
    assert!(late.memory <= early.memory + early.memory / 10 + (16 << 20), "{early:?}, then {late:?}");
    assert!(late.descriptors <= early.descriptors + 16, "{early:?}, then {late:?}");
    for host in [&mut survivor, &mut other] {
        assert_eq!(host.stop(LONG).await.code(), Some(0));
    }
}

/// Keeps the topic full. Returns the number of written records.
async fn load(kafka: kit::Kafka, topic: String, group: String, enough: CancellationToken) -> i64 {
    let new = || kafka.writer_with(&topic, &[("reconnect.backoff.max.ms", "500")]);
    let (mut writer, mut written) = (new(), 0_i64);
    while !enough.is_cancelled() {
        let committed: i64 = kafka.try_committed(&group, &topic).await.unwrap_or(0);
        if written - committed > BACKLOG {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let first = usize::try_from(written).expect("a count");
        let batch = (first..first + BATCH).map(|number| Probe::ask(&format!("key-{}", number % 1_000), "echo", number));
        // The broker has repeated outages; a producer that has not recovered after a minute never does.
        match tokio::time::timeout(STUCK, writer.write(batch)).await {
            Ok(_) => written += i64::try_from(BATCH).expect("few"),
            Err(_) => {
                println!("a batch was not acknowledged within {STUCK:?}: {}", writer.state());
                writer = new();
            }
        }
    }
    written
}
