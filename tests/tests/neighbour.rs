//! An innocent handler keeps its pace beside all hostile ones, in a host that neither grows nor leaks.
//!
//! One host, a route with a topic for every hostile handler that can be loaded, and beside them a route that gets its
//! records at a steady pace that it can keep. Quiet times and hostile times take turns; in a hostile time the hostile
//! handlers get a message one after the other, without a pause. `HOSTILE=1000` runs each of them a thousand times.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use kit::{Host, Hostile, Kafka, Record, eventually, guest, run, unique};
use rdkafka::producer::{FutureProducer, FutureRecord};

const LONG: Duration = Duration::from_secs(300);
/// What comes in on the innocent's route: well below what it could take, in every build, and evenly. Of many that come at once
/// all would wait as long as the first, and a hundredth of the records would be one moment.
const BATCH: usize = 2;
const EVERY: Duration = Duration::from_millis(5);
/// What comes out of it in a quiet time.
const QUIET: i64 = 1000;
/// How often one of the hostile handlers gets a message in a hostile time. With that those that loop burn half a core.
const HARM: Duration = Duration::from_millis(4);
/// How many messages each of them gets in one hostile time, at least.
const EACH: usize = 8;

/// Milliseconds of the 99th percentile alone below which nothing is to be told from noise: two cores run the broker too, and
/// a host that is not optimised makes much of each hostile attempt.
const FLOOR: i64 = if cfg!(debug_assertions) { 25 } else { 10 };

/// A time in which hostile handlers were at work, or none was.
struct Phase {
    hostile: bool,
    from: i64,
    to: i64,
}

struct Topics {
    innocent: String,
    output: String,
    /// By the places of the handlers.
    hostile: Vec<String>,
    dead: String,
}

/// A topic for each of them.
async fn topics_for(handlers: &[Hostile], kafka: &Kafka) -> Vec<String> {
    let mut names = Vec::new();
    for handler in handlers {
        names.push(kafka.topic(&format!("neighbour-{}", handler.name), 1).await);
    }
    names
}

/// What one that does not wait may take in all: on a machine with too much to do, threads that count less get next to
/// nothing, and its processor time is to be what ends it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plugin, outcome and code.
type Ending = (String, String, String);

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the end of time")
}

/// Those that can be loaded without a grant, and do their harm whatever the message says.
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

/// Feeds the innocent until it is told to stop; returns how many records that were.
async fn feed(kafka: &Kafka, topic: &str, stop: &AtomicBool) -> usize {
    let (writer, mut pace, mut number) = (kafka.writer(topic), tokio::time::interval(EVERY), 0);
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let ask = |number| Record::new(format!(r#"{{"do":"echo","number":{number}}}"#)).key(format!("key-{number}"));
        writer.write((number..number + BATCH).map(ask)).await;
        number += BATCH;
    }
    number
}

/// Quiet and hostile times in turn; in each of the latter every hostile handler runs `each` times.
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
        let mut pace = tokio::time::interval(HARM);
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
        // The first time is that of building up.
        warm.get_or_insert((host.memory(), host.descriptors()));
    }
    let (memory, descriptors) = warm.expect("there was one time at least");
    (phases, [memory, host.memory()], [descriptors, host.descriptors()])
}

/// How often each handler ended how, by the dead letters.
async fn endings(kafka: &Kafka, topics: &Topics) -> BTreeMap<Ending, usize> {
    let mut found = BTreeMap::<Ending, usize>::new();
    for letter in kafka.read_all(&topics.dead).await {
        let header = |name: &str| letter.header(&format!("cofferdam-dlq-{name}")).unwrap_or_default().to_owned();
        *found.entry((header("plugin"), header("outcome"), header("code"))).or_default() += 1;
    }
    found
}

/// Milliseconds from the record to what came of it, by the time of the record.
async fn latencies(kafka: &Kafka, topics: &Topics) -> Vec<(i64, i64)> {
    let number = |record: &kit::Stored| record.json()["number"].as_u64().expect("a number");
    let outputs: BTreeMap<u64, i64> =
        kafka.read_all(&topics.output).await.iter().map(|record| (number(record), record.timestamp)).collect();
    let inputs = kafka.read_all(&topics.innocent).await;
    inputs.iter().map(|record| (record.timestamp, outputs[&number(record)] - record.timestamp)).collect()
}

/// Of the records of these times, but for the first, which is that of building up: the 99th percentile of each time, the middle
/// one of them; and how many a second came out.
fn pace(phases: &[Phase], hostile: bool, latencies: &[(i64, i64)]) -> (i64, f64) {
    let (mut percentiles, mut out, mut millis) = (Vec::new(), 0, 0);
    for phase in phases.iter().filter(|phase| phase.hostile == hostile).skip(1) {
        let within = |time: i64| (phase.from..phase.to).contains(&time);
        let mut waits: Vec<i64> = latencies.iter().filter(|(time, _)| within(*time)).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        percentiles.extend(waits.get(waits.len() * 99 / 100));
        out += latencies.iter().filter(|(time, wait)| within(time + wait)).count();
        millis += phase.to - phase.from;
    }
    percentiles.sort_unstable();
    println!("{}: {percentiles:?} ms", if hostile { "hostile" } else { "quiet" });
    (percentiles[percentiles.len() / 2], out as f64 * 1_000.0 / millis as f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_innocent_handler_keeps_its_pace_beside_hostile_ones_in_a_host_that_does_not_grow() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let times: usize = std::env::var("HOSTILE").map_or(32, |times| times.parse().expect("HOSTILE is a number"));
    let each = times.div_ceil(20).max(EACH);
    // The first is not counted.
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
    println!("quiet   {:4} ms at the 99th percentile, {:.0} a second", quiet.0, quiet.1);
    println!("hostile {:4} ms at the 99th percentile, {:.0} a second", hostile.0, hostile.1);
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

    assert!(hostile.1 >= 0.95 * quiet.1, "{:.0} of {:.0} a second", hostile.1, quiet.1);
    assert!(hostile.0 <= 2 * quiet.0.max(FLOOR), "{} ms, {} ms alone", hostile.0, quiet.0);
    assert!(memory[1] <= memory[0] + memory[0] / 4, "{memory:?} bytes");
    assert!(descriptors[1] <= descriptors[0] + 8, "{descriptors:?} descriptors");
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}
