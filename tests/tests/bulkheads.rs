//! A slow or broken route does not affect other routes.

use std::time::{Duration, Instant};

use kit::{Host, Kafka, Record, eventually, guest, run, unique};

const LONG: Duration = Duration::from_secs(120);
/// Input of the quick route: well below its capacity in every build.
const BATCH: usize = 200;
const EVERY: Duration = Duration::from_millis(100);
const BATCHES: usize = 80;
const RECORDS: usize = BATCH * BATCHES;

/// Returns a host with two routes; only `other` is disturbed.
fn host(kafka: &Kafka, quick: &str, other: &str, output: &str, other_output: &str) -> Host {
    let (path, brokers) = (guest("probe"), kafka.bootstrap());
    let (path, group) = (path.display(), unique("bulkheads"));
    run(&format!(
        r#"
        service = {{ name = "bulkheads" }}
        kafka = {{ bootstrap_servers = "{brokers}" }}
        admin = {{ listen = "" }}
        plugins = {{ quick = {{ path = "{path}" }}, other = {{ path = "{path}", limits = {{ cpu_time = "10s", wall_time = "60s" }} }} }}
        [[routes]]
        name = "quick"
        from = {{ kafka = ["{quick}"], group = "{group}-quick" }}
        handler = "quick"
        envelope = "raw"
        outputs = {{ out = {{ kafka = "{output}" }} }}
        [[routes]]
        name = "other"
        from = {{ kafka = ["{other}"], group = "{group}-other" }}
        handler = "other"
        envelope = "raw"
        outputs = {{ out = {{ kafka = "{other_output}" }} }}
        "#
    ))
    .start()
}

/// Returns the records per second from the quick route while the other route shows `behaviour`.
async fn rate(kafka: &Kafka, behaviour: &str) -> f64 {
    let quick = kafka.topic("bulkheads-quick", 1).await;
    let (other, other_output) = (kafka.topic("bulkheads-other", 1).await, kafka.topic("bulkheads-other-out", 1).await);
    for topic in [&quick, &other] {
        kafka.create_topic(&format!("{topic}.dlq"), 1).await;
    }
    let output = kafka.topic("bulkheads-out", 1).await;
    let host = host(kafka, &quick, &other, &output, &other_output);
    host.says("running", LONG).await;
    let ask = |number: usize, what: &str| {
        Record::new(format!(r#"{{"do":"{what}","number":{number}}}"#)).key(format!("key-{number}"))
    };
    kafka.produce(&other, (0..64).map(|number| ask(number, behaviour))).await;
    kafka.produce(&quick, [ask(0, "echo")]).await;
    eventually("it works", LONG, async || (kafka.ends(&output).await[&0] == 1).then_some(())).await;
    let (writer, started) = (kafka.writer(&quick), Instant::now());
    let mut pace = tokio::time::interval(EVERY);
    for batch in 0..BATCHES {
        pace.tick().await;
        writer.write((batch * BATCH..(batch + 1) * BATCH).map(|number| ask(number, "echo"))).await;
    }
    let all = RECORDS as i64 + 1;
    eventually("all is out", LONG, async || (kafka.ends(&output).await[&0] == all).then_some(())).await;
    RECORDS as f64 / started.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_loops_on_one_route_leave_another_its_rate() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let alone = rate(kafka, "echo").await;
    let beside = rate(kafka, "loop").await;
    println!("alone {alone:.0} a second, beside 64 endless loops {beside:.0}: {:.2}", beside / alone);
    assert!(beside / alone >= 0.95, "{beside:.0} of {alone:.0} a second");
}
