//! A well-behaved handler keeps its pace beside all hostile ones, in a host whose memory and descriptors do not grow.
//!
//! One host has a route with a topic for every hostile handler that can be loaded, and a route that gets records at a
//! steady pace, below its capacity. Quiet and hostile phases alternate. In a hostile phase the hostile handlers get
//! messages one after the other without a pause. `HOSTILE=1000` runs each of them a thousand times.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use kit::{Host, Hostile, Kafka, Record, eventually, guest, run, unique};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::{Interval, MissedTickBehavior};

const LONG: Duration = Duration::from_secs(300);
/// Records per interval on the well-behaved route: well below its capacity in every build, and spread evenly. Of many
/// records at once, all would wait as long as the first, and a hundredth of all records would be one moment.
const BATCH: usize = 2;
const EVERY: Duration = Duration::from_millis(5);
/// Number of its outputs in a quiet phase.
const QUIET: i64 = 1000;
/// Interval between messages to hostile handlers in a hostile phase. At this rate, those that loop use half a core, in an
/// unoptimised host too: with more, both cores would be busy, and the latency would be that of the scheduler.
const HARM: Duration = Duration::from_millis(if cfg!(debug_assertions) { 8 } else { 4 });
/// Minimum number of messages for each hostile handler in one hostile phase.
const EACH: usize = 8;

/// 99th percentile in milliseconds below which a difference is noise: two cores run the broker too, and an unoptimised
/// host needs much time for each hostile attempt.
const FLOOR: i64 = if cfg!(debug_assertions) { 25 } else { 10 };

/// A phase with or without hostile handlers.
struct Phase {
    hostile: bool,
    from: i64,
    to: i64,
}

struct Topics {
    innocent: String,
    output: String,
    /// In the order of the handlers.
    hostile: Vec<String>,
    dead: String,
}

/// Creates a topic for each handler.
async fn topics_for(handlers: &[Hostile], kafka: &Kafka) -> Vec<String> {
    let mut names = Vec::new();
    for handler in handlers {
        names.push(kafka.topic(&format!("neighbour-{}", handler.name), 1).await);
    }
    names
}

/// Wall-time limit of a handler that does not wait: on a busy machine, threads with a low priority get little CPU time,
/// and its CPU-time limit is to end it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plugin, outcome and code.
type Ending = (String, String, String);

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

/// Returns the hostile handlers that can be loaded without a grant and whose behaviour does not depend on the message.
fn handlers() -> Vec<Hostile> {
    let mut corpus = kit::hostile::corpus();
    corpus.retain(|it| it.outcome != "refused" && !it.keyvalue && (it.payload.is_empty() || it.payload == "panic"));
    corpus
}

fn configuration(kafka: &Kafka, topics: &Topics, handlers: &[Hostile], folder: &Path) -> String {
    let (group, brokers, probe) = (unique("neighbour"), kafka.bootstrap(), guest("probe"));
    let Topics { innocent, output, dead, .. } = topics;
    let (probe, storage) = (probe.display(), folder.join("storage"));
    let mut text = format!(
        r#"
        service = {{ name = "neighbour" }}
        kafka = {{ bootstrap_servers = "{brokers}" }}
        storage = {{ path = "{}" }}
        admin = {{ listen = "" }}
        [plugins.innocent]
        path = "{probe}"
        [[routes]]
        name = "innocent"
        from = {{ kafka = ["{innocent}"], group = "{group}" }}
        handler = "innocent"
        envelope = "raw"
        dead_letter = {{ kafka = "{dead}" }}
        outputs = {{ out = {{ kafka = "{output}" }} }}
        "#,
        storage.display()
    );
    for (handler, hostile) in handlers.iter().zip(&topics.hostile) {
        let (name, limits) = (&handler.name, &handler.limits);
        let wall_time = if handler.code == "TIMEOUT" { limits.wall_time } else { PATIENCE };
        let file = folder.join(format!("{name}.wasm"));
        std::fs::write(&file, &handler.bytes).expect("a temporary file can be written");
        text += &format!(
            r#"
            [plugins.{name}]
            path = "{}"
            limits = {{ memory = "{}B", wall_time = "{}ms", cpu_time = "{}ms", outputs = {}, output_bytes = "{}B", table_elements = {}, host_calls = {}, log_lines = {}, log_bytes = "{}B" }}
            [[routes]]
            name = "{name}"
            from = {{ kafka = ["{hostile}"], group = "{group}-{name}" }}
            handler = "{name}"
            envelope = "raw"
            concurrency = 4
            retry = {{ max_attempts = 1 }}
            breaker = {{ failures = 0, dead_letters = 0 }}
            dead_letter = {{ kafka = "{dead}" }}
            outputs = {{ out = {{ kafka = "{output}" }} }}
            "#,
            file.display(),
            limits.memory,
            wall_time.as_millis(),
            limits.cpu_time.as_millis(),
            limits.outputs,
            limits.output_bytes,
            limits.table_elements,
            limits.host_calls,
            limits.log_lines,
            limits.log_bytes,
        );
    }
    text
}

/// Ticks that a busy machine delays, and that do not come faster afterwards.
fn evenly(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Sends records to the well-behaved handler until it is stopped; returns their number.
async fn feed(kafka: &Kafka, topic: &str, stop: &AtomicBool) -> usize {
    let (writer, mut pace, mut number) = (kafka.writer(topic), evenly(EVERY), 0);
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let ask = |number| Record::new(format!(r#"{{"do":"echo","number":{number}}}"#)).key(format!("key-{number}"));
        writer.write((number..number + BATCH).map(ask)).await;
        number += BATCH;
    }
    number
}

/// Alternates quiet and hostile phases; in a hostile phase every hostile handler runs `each` times.
async fn phases(
    kafka: &Kafka,
    topics: &Topics,
    host: &Host,
    deadly: usize,
    each: usize,
    rounds: usize,
) -> (Vec<Phase>, [u64; 2], [usize; 2]) {
    let end = async |topic: &str| kafka.ends(topic).await[&0];
    let producer: FutureProducer = kafka.client().create().expect("a producer can be made");
    let (mut phases, mut warm, mut sent) = (Vec::new(), None, Vec::new());
    for round in 0..rounds {
        let (from, before) = (now(), end(&topics.output).await);
        eventually("a quiet time", LONG, async || (end(&topics.output).await >= before + QUIET).then_some(())).await;
        phases.push(Phase { hostile: false, from, to: now() });
        let from = now();
        let mut pace = evenly(HARM);
        for number in 0..each {
            let key = format!("key-{round}-{number}");
            for topic in &topics.hostile {
                pace.tick().await;
                let record = FutureRecord::to(topic).key(&key).payload("panic");
                sent.push(
                    producer.send_result(record).map_err(|(error, _)| error).expect("there is room for a record"),
                );
            }
        }
        for receipt in sent.drain(..) {
            receipt.await.expect("the producer lives").map_err(|(error, _)| error).expect("the broker takes it");
        }
        let all = (deadly * each * (round + 1)) as i64;
        let stored = eventually("all dead letters", 2 * LONG, async || (end(&topics.dead).await >= all).then_some(()));
        if tokio::time::timeout(LONG, stored).await.is_err() {
            let found = endings(kafka, topics).await;
            let short = found.iter().filter(|(_, count)| **count != each * (round + 1));
            panic!("of {all} dead letters these are not as many as they should be: {:?}", short.collect::<Vec<_>>());
        }
        phases.push(Phase { hostile: true, from, to: now() });
        // The first phase is the warm-up.
        warm.get_or_insert((host.memory(), host.descriptors()));
    }
    let (memory, descriptors) = warm.expect("there was one time at least");
    (phases, [memory, host.memory()], [descriptors, host.descriptors()])
}

/// Counts the outcomes of each handler, from the dead letters.
async fn endings(kafka: &Kafka, topics: &Topics) -> BTreeMap<Ending, usize> {
    let mut found = BTreeMap::<Ending, usize>::new();
    for letter in kafka.read_all(&topics.dead).await {
        let header = |name: &str| letter.header(&format!("cofferdam-dlq-{name}")).unwrap_or_default().to_owned();
        *found.entry((header("plugin"), header("outcome"), header("code"))).or_default() += 1;
    }
    found
}

/// Returns for each record its timestamp and the milliseconds until its output.
async fn latencies(kafka: &Kafka, topics: &Topics) -> Vec<(i64, i64)> {
    let number = |record: &kit::Stored| record.json()["number"].as_u64().expect("a number");
    let outputs: BTreeMap<u64, i64> =
        kafka.read_all(&topics.output).await.iter().map(|record| (number(record), record.timestamp)).collect();
    let inputs = kafka.read_all(&topics.innocent).await;
    inputs.iter().map(|record| (record.timestamp, outputs[&number(record)] - record.timestamp)).collect()
}

/// Latency and throughput of the well-behaved handler in all quiet or all hostile phases.
struct Pace {
    /// The 99th percentile of the latency in milliseconds: the median of the phases.
    latency: i64,
    /// Records a second written to its topic. A busy machine slows the writer too.
    fed: f64,
    /// Outputs a second.
    out: f64,
}

/// The pace in these phases, without the first, which is the warm-up.
fn pace(phases: &[Phase], hostile: bool, latencies: &[(i64, i64)]) -> Pace {
    let (mut percentiles, mut fed, mut out, mut millis) = (Vec::new(), 0, 0, 0);
    for phase in phases.iter().filter(|phase| phase.hostile == hostile).skip(1) {
        let within = |time: i64| (phase.from..phase.to).contains(&time);
        let mut waits: Vec<i64> = latencies.iter().filter(|(time, _)| within(*time)).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        percentiles.extend(waits.get(waits.len() * 99 / 100));
        fed += waits.len();
        out += latencies.iter().filter(|(time, wait)| within(time + wait)).count();
        millis += phase.to - phase.from;
    }
    percentiles.sort_unstable();
    println!("{}: {percentiles:?} ms", if hostile { "hostile" } else { "quiet" });
    let per_second = |count: usize| count as f64 * 1_000.0 / millis as f64;
    Pace { latency: percentiles[percentiles.len() / 2], fed: per_second(fed), out: per_second(out) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_innocent_handler_keeps_its_pace_beside_hostile_ones_in_a_host_that_does_not_grow() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let times: usize = std::env::var("HOSTILE").map_or(32, |times| times.parse().expect("HOSTILE is a number"));
    let each = times.div_ceil(20).max(EACH);
    // The first phase is not counted.
    let rounds = times.div_ceil(each).max(2);
    let (handlers, folder) = (handlers(), tempfile::tempdir().expect("a temporary folder"));
    let topics = Topics {
        innocent: kafka.topic("neighbour-in", 1).await,
        output: kafka.topic("neighbour-out", 1).await,
        hostile: topics_for(&handlers, kafka).await,
        dead: kafka.topic("neighbour-dead", 1).await,
    };
    let mut host = run(&configuration(kafka, &topics, &handlers, folder.path())).start();
    host.says("running", LONG).await;
    let stop = AtomicBool::new(false);
    let deadly = handlers.iter().filter(|handler| handler.outcome != "done").count();
    let (fed, (phases, memory, descriptors)) = tokio::join!(feed(kafka, &topics.innocent, &stop), async {
        let measured = phases(kafka, &topics, &host, deadly, each, rounds).await;
        stop.store(true, Ordering::Relaxed);
        measured
    });
    let all = fed as i64;
    eventually("all is out", LONG, async || (kafka.ends(&topics.output).await[&0] >= all).then_some(())).await;

    let latencies = latencies(kafka, &topics).await;
    let (quiet, hostile) = (pace(&phases, false, &latencies), pace(&phases, true, &latencies));
    println!(
        "{} hostile handlers, {} times each, beside {} innocent messages",
        handlers.len(),
        each * rounds,
        latencies.len()
    );
    for (name, pace) in [("quiet", &quiet), ("hostile", &hostile)] {
        let Pace { latency, fed, out } = pace;
        println!("{name:8}{latency:4} ms at the 99th percentile, {out:.0} a second out of {fed:.0}");
    }
    println!(
        "memory {} to {} MiB, descriptors {} to {}",
        memory[0] >> 20,
        memory[1] >> 20,
        descriptors[0],
        descriptors[1]
    );

    let found = endings(kafka, &topics).await;
    let expected = handlers.iter().filter(|handler| handler.outcome != "done");
    let expected: BTreeMap<_, _> = expected
        .map(|handler| ((handler.name.clone(), handler.outcome.clone(), handler.code.clone()), each * rounds))
        .collect();
    let strange: Vec<_> = found.iter().filter(|(key, count)| expected.get(key) != Some(count)).collect();
    let missing: Vec<_> = expected.iter().filter(|(key, _)| !found.contains_key(key)).collect();
    assert!(strange.is_empty() && missing.is_empty(), "found {strange:?}, not found {missing:?}");

    assert!(hostile.out >= 0.95 * hostile.fed, "{:.0} of {:.0} a second", hostile.out, hostile.fed);
    assert!(hostile.latency <= 2 * quiet.latency.max(FLOOR), "{} ms, {} ms alone", hostile.latency, quiet.latency);
    assert!(memory[1] <= memory[0] + memory[0] / 4, "{memory:?} bytes");
    assert!(descriptors[1] <= descriptors[0] + 8, "{descriptors:?} descriptors");
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}
