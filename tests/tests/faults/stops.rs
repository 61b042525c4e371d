//! Stops during an outage: each host ends within its limits, and unfinished messages are redelivered.

use std::time::{Duration, Instant};

use kit::{Gate, Host, Message, Probe, QueueSpec, eventually, guest, run};

use crate::work::LONG;

/// Both limits of a stop together, and the time that a busy machine needs to end a process.
const LIMITS: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(2);
const SERVICE: &str = r#"drain_limit = "1s", flush_limit = "2s""#;

/// Checks that each host ends in time after it was told to stop.
async fn all_end_in_time(hosts: &mut [Host]) {
    let told = Instant::now();
    hosts.iter_mut().for_each(|host| host.signal(kit::Signal::TERM));
    for host in hosts {
        let ended = host.stop(LONG).await;
        let took = told.elapsed();
        assert!(took < LIMITS + GRACE, "{took:?}: {:#?}", ended.stderr);
    }
}

/// Commits of offsets and of transactions.
const COMMITS: &[i16] = &[Gate::OFFSET_COMMIT, Gate::END_TRANSACTION];

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_within_its_limits_with_each_delivery_though_the_broker_is_away() {
    let Some(kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let deliveries = ["at_most_once", "at_least_once", "exactly_once"];
    let mut probes = Vec::new();
    for _ in deliveries {
        probes.push(Probe { service: SERVICE, ..Probe::new(&kafka, 1).await });
    }
    let start = |(probe, delivery): (&Probe, &str)| {
        probe.host(&kafka.through(), "", &format!("delivery = \"{delivery}\"")).start()
    };
    let mut hosts: Vec<Host> = probes.iter().zip(deliveries).map(start).collect();
    for (round, away) in [Gate::shut as fn(&Gate), Gate::swallow].into_iter().enumerate() {
        if round > 0 {
            hosts.iter_mut().for_each(Host::restart);
        }
        // The first commit of each host is unanswered when the broker stops.
        kafka.gate().hold(COMMITS);
        let caught = kafka.gate().caught();
        for probe in &probes {
            kafka.produce(&probe.input, (0..20).map(|number| Probe::ask("key", "echo", number))).await;
        }
        eventually("commits are on their way", LONG, async || (kafka.gate().caught() >= caught + 3).then_some(()))
            .await;
        away(kafka.gate());
        all_end_in_time(&mut hosts).await;
        kafka.gate().let_go();
        kafka.gate().open();
    }
    hosts.iter_mut().for_each(Host::restart);
    for probe in &probes {
        let settled = async || kafka.committed(&probe.group, &probe.input).await.get(&0).map(|it| it.offset);
        eventually("all is settled", LONG, async || (settled().await == Some(40)).then_some(())).await;
    }
    assert_eq!(kafka.read_all(&probes[2].output).await.len(), 40, "exactly once");
    assert!(kafka.read_all(&probes[1].output).await.len() >= 40, "at least once");
    assert!(kafka.read_all(&probes[0].output).await.len() <= 40, "at most once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_within_its_limits_though_the_queue_is_away() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let gate = Gate::before(sqs.endpoint()).await;
    let mut hosts = Vec::new();
    let mut queues = Vec::new();
    for delivery in ["at_most_once", "at_least_once"] {
        let queue = sqs.create(QueueSpec::standard("stops")).await;
        let dead = sqs.create(QueueSpec::standard("stops-dead")).await;
        let configuration = format!(
            r#"
            service = {{ name = "probe", {SERVICE} }}
            sqs = {{ endpoint = "{endpoint}", region = "eu-west-1" }}
            admin = {{ listen = "" }}
            plugins.probe.path = "{path}"
            [[routes]]
            name = "probe"
            from = {{ sqs = "{queue}", wait = "1s" }}
            handler = "probe"
            envelope = "raw"
            delivery = "{delivery}"
            dead_letter = {{ sqs = "{dead}" }}
            outputs = {{ out = {{ sqs = "{dead}" }} }}
            "#,
            endpoint = gate.endpoint(),
            path = guest("probe").display(),
            queue = queue.name,
            dead = dead.name,
        );
        hosts.push(run(&configuration).start());
        queues.push(queue);
    }
    for host in &hosts {
        host.says("running", LONG).await;
    }
    gate.swallow();
    for queue in &queues {
        sqs.send(queue, Message::new(r#"{"do":"echo","number":1}"#).standard()).await;
    }
    all_end_in_time(&mut hosts).await;
}
