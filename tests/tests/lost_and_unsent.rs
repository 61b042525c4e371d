//! A route repeatedly loses partitions while none of its publications can be sent. Its memory does not grow: lost
//! publications that no sink has taken are dropped.

use std::time::{Duration, Instant};

use kit::{Gate, Kafka, QueueSpec, Record, eventually, guest, run, unique};
use rdkafka::consumer::{BaseConsumer, Consumer};

const LONG: Duration = Duration::from_secs(120);
/// Maximum number of messages in flight; small messages, so that no limit on bytes applies first.
const IN_FLIGHT: usize = 10_000;
/// How often it loses one of its two partitions, which has half of the messages.
const LOSSES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_has_lost_while_its_sink_was_away_takes_no_memory() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("lost")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    let (input, group) = (kafka.topic("lost-in", 2).await, unique("lost"));
    let record = |number: usize| Record::new(format!("message {number}")).key(format!("key-{number}"));
    kafka.produce(&input, (0..3 * IN_FLIGHT).map(record)).await;

    let mut host = run(&format!(
        r#"
        service = {{ name = "lost" }}
        kafka = {{ bootstrap_servers = "{}", properties = {{ "heartbeat.interval.ms" = 100 }} }}
        sqs = {{ region = "{}", endpoint = "{}" }}
        admin = {{ listen = "" }}
        plugins.echo = {{ path = "{}" }}
        [[routes]]
        name = "lost"
        from = {{ kafka = ["{input}"], group = "{group}" }}
        handler = "echo"
        max_in_flight = {{ messages = {IN_FLIGHT} }}
        revoke_timeout = "10ms"
        outputs = {{ out = {{ sqs = "{}" }} }}
        "#,
        kafka.bootstrap(),
        kit::sqs::REGION,
        gate.endpoint(),
        guest("echo").display(),
        queue.name,
    ))
    .start();
    host.says("\"what\":\"assigned\"", LONG).await;
    gate.shut();

    let mut memory = Vec::new();
    for loss in 1..=LOSSES {
        let (kafka, group, input) = (kafka.another(), group.clone(), input.clone());
        tokio::task::spawn_blocking(move || come_and_go(&kafka, &group, &input)).await.expect("it comes and goes");
        eventually("it has both partitions again", LONG, async || {
            let times = host.stderr().iter().filter(|line| line.contains("\"what\":\"assigned\"")).count();
            (times > loss).then_some(())
        })
        .await;
        memory.push(host.memory() >> 20);
    }
    println!("MiB after each loss: {memory:?}");
    let (early, late) = (memory[2], memory[LOSSES - 1]);
    assert!(late <= early + 10, "MiB after each loss: {memory:?}");
    host.kill();
}

/// Joins the group until it has a partition, and leaves it.
fn come_and_go(kafka: &Kafka, group: &str, topic: &str) {
    let mut config = kafka.client();
    config.set("group.id", group).set("partition.assignment.strategy", "cooperative-sticky");
    config.set("enable.auto.commit", "false").set("heartbeat.interval.ms", "100");
    let consumer: BaseConsumer = config.create().expect("a consumer can be made");
    consumer.subscribe(&[topic]).expect("it is a topic");
    let until = Instant::now() + LONG;
    while consumer.assignment().expect("it can say what it has").count() == 0 {
        assert!(Instant::now() < until, "the group gives it nothing");
        let _ = consumer.poll(Duration::from_millis(50)); // a record, or a word about the group
    }
}
