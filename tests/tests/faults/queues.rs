//! Leases that expire because hosts are suspended or killed.

use std::time::{Duration, Instant};

use kit::{Host, Kafka, Message, Queue, QueueSpec, Sqs, eventually, guest, run};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::work::{LONG, Outcome, elapsed};

const GROUPS: usize = 12;
/// Time between two messages of a group.
const PACE: Duration = Duration::from_millis(150);
/// The time after which the messages of a killed host are visible again.
const LEASE: Duration = Duration::from_secs(3);
const IN_FLIGHT: usize = 60;

/// Two hosts on one FIFO queue, whose outputs go to a topic.
struct Tasks<'a> {
    kafka: &'a Kafka,
    sqs: &'a Sqs,
    queue: Queue,
    output: String,
    hosts: Vec<Host>,
    /// Sends messages until it is cancelled. Returns how many each group has.
    sender: JoinHandle<u64>,
    enough: CancellationToken,
}

/// Sends a message to each group at each interval. Every eighth message of a group needs a second attempt, and its
/// group waits for it.
async fn send(sqs: Sqs, queue: Queue, enough: CancellationToken) -> u64 {
    let mut number = 0;
    let mut pace = tokio::time::interval(PACE);
    while !enough.is_cancelled() {
        pace.tick().await;
        let what = if number % 8 == 3 { "fail" } else { "echo" };
        for group in 0..GROUPS {
            let body = format!(r#"{{"do":"{what}","times":1,"number":{number}}}"#);
            let message = Message::new(body).group(format!("group-{group}"));
            sqs.send(&queue, message.deduplication(format!("{group}-{number}"))).await;
        }
        number += 1;
    }
    number
}

impl<'a> Tasks<'a> {
    async fn begin(kafka: &'a Kafka, sqs: &'a Sqs) -> Self {
        let queue = sqs.create(QueueSpec::fifo("faults")).await;
        let dead = sqs.create(QueueSpec::fifo("faults-dead")).await;
        let enough = CancellationToken::new();
        let sender = tokio::spawn(send(kit::sqs().expect("it is there"), queue.clone(), enough.clone()));
        let output = kafka.topic("faults-out", 1).await;
        let path = guest("probe");
        let configuration = format!(
            r#"
            service = {{ name = "probe" }}
            kafka = {{ bootstrap_servers = "{brokers}" }}
            sqs = {{ endpoint = "{endpoint}", region = "eu-west-1" }}
            admin = {{ listen = "" }}
            [plugins.probe]
            path = "{path}"
            limits = {{ wall_time = "2s", cpu_time = "1s" }}
            [[routes]]
            name = "probe"
            from = {{ sqs = "{queue}", visibility_timeout = "{lease}s", max_processing_time = "30s", wait = "1s" }}
            handler = "probe"
            envelope = "raw"
            concurrency = 8
            max_in_flight = {{ messages = {IN_FLIGHT} }}
            retry = {{ initial_delay = "1s", jitter = 0.0 }}
            breaker = {{ failures = 0 }}
            dead_letter = {{ sqs = "{dead}" }}
            outputs = {{ out = {{ kafka = "{output}" }} }}
            "#,
            brokers = kafka.bootstrap(),
            endpoint = sqs.endpoint(),
            path = path.display(),
            queue = queue.name,
            lease = LEASE.as_secs(),
            dead = dead.name,
        );
        let start = || run(&configuration).env("COFFERDAM_LOG", "info,cofferdam::delivery=error").start();
        Self { kafka, sqs, queue, output, hosts: vec![start(), start()], sender, enough }
    }

    async fn go_on(&self, messages: i64) {
        let outputs = async || self.kafka.ends(&self.output).await[&0];
        let before = outputs().await;
        eventually("the work goes on", LONG, async || (outputs().await >= before + messages).then_some(())).await;
    }

    /// Waits until the queue is empty, stops the hosts, and checks the result.
    async fn end(mut self, faults: usize) {
        self.enough.cancel();
        let each = (&mut self.sender).await.expect("all messages are taken");
        eventually("the queue is empty", LONG, async || {
            let counts = self.sqs.counts(&self.queue).await;
            (counts == kit::sqs::Counts::default()).then_some(())
        })
        .await;
        for mut host in self.hosts.drain(..) {
            let ended = host.stop(LONG).await;
            // Shown if the test fails.
            println!("{}\n{}", ended.stderr.join("\n"), ended.account());
            assert_eq!(ended.code(), Some(0));
        }
        let stored = self.kafka.read_all(&self.output).await;
        let numbers: Vec<u64> =
            stored.iter().map(|record| record.json()["number"].as_u64().expect("a number")).collect();
        let outcome = Outcome::of(stored.iter().map(kit::Stored::key_text).zip(numbers));
        let all = (0..GROUPS).flat_map(|group| (0..each).map(move |number| (format!("group-{group}"), number)));
        let lost: Vec<_> = all.filter(|message| !outcome.handled.contains(message)).collect();
        assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
        assert!(outcome.disordered.is_empty(), "out of order: {:?}", outcome.disordered);
        let most = faults * IN_FLIGHT;
        assert!(outcome.repeats <= most, "{} repeats, at most {most} were in flight", outcome.repeats);
        println!("{} messages, {} repeats of at most {most}", outcome.handled.len(), outcome.repeats);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stood_still_past_its_leases_keeps_the_order_of_groups() {
    let (Some(kafka), Some(sqs)) = (kit::or_say_so(kit::kafka()), kit::or_say_so(kit::sqs())) else { return };
    let mut tasks = Tasks::begin(kafka, &sqs).await;
    for host in 0..2 {
        tasks.go_on(60).await;
        tasks.hosts[host].pause();
        elapsed(Instant::now(), LEASE + Duration::from_secs(1)).await;
        // The other host has received its messages.
        tasks.go_on(30).await;
        tasks.hosts[host].resume();
    }
    tasks.end(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_one_of_two_hosts_on_a_queue_costs_what_it_held() {
    let (Some(kafka), Some(sqs)) = (kit::or_say_so(kit::kafka()), kit::or_say_so(kit::sqs())) else { return };
    let mut tasks = Tasks::begin(kafka, &sqs).await;
    for host in 0..2 {
        tasks.go_on(60).await;
        tasks.hosts[host].kill();
        tasks.go_on(30).await;
        tasks.hosts[host].restart();
    }
    tasks.end(2).await;
}
