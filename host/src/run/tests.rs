//! Tests commands to running routes, on embedded brokers.

use std::collections::BTreeMap;

use bytes::Bytes;
use cofferdam_core::event::DeliveryId;
use cofferdam_core::message::Headers;
use cofferdam_core::output::Publication;
use tokio::sync::mpsc;

use super::*;
use crate::broker::kafka::{self, embedded};
use crate::sink::Ticket;

/// A handler that is controlled by the payload: `d0` succeeds.
const HANDLER: &str = include_str!("../verify/hosts/handler.wat");

/// A limit that even a slow machine does not reach.
const LONG: Duration = Duration::from_secs(120);

const CONFIG: &str = r#"
service = { name = "shop" }
kafka = { bootstrap_servers = "nowhere:9092" }
topics = { create = false }
admin = { listen = "" }
plugins.told = { path = "handler.wasm" }
[[routes]]
name = "left"
from = { kafka = ["left"], group = "left" }
handler = "told"
[[routes]]
name = "right"
from = { kafka = ["right"], group = "right" }
handler = "told"
"#;

/// A host with both routes, which start paused.
async fn paused_host(folder: &std::path::Path) -> (embedded::Kafka, Host) {
    std::fs::write(folder.join("handler.wasm"), wat::parse_str(HANDLER).unwrap()).unwrap();
    let config = Config::parse(CONFIG, &folder.join("cofferdam.toml"), &|_| None);
    let mut config = config.unwrap_or_else(|errors| panic!("{errors:?}"));
    let topics: Vec<_> = kafka::topics_of(&config.routes).into_keys().map(|topic| (topic, 1)).collect();
    let kafka = embedded::Kafka::start(&topics).unwrap();
    let section = config.kafka.as_mut().unwrap();
    section.bootstrap_servers = kafka.bootstrap().to_owned();
    let properties: BTreeMap<_, _> = embedded::Kafka::CLIENT_PROPERTIES.into();
    properties.into_iter().for_each(|(name, value)| drop(section.properties.0.insert(name.into(), value.into())));
    let options = Options { paused: true, ..Options::default() };
    let host = Host::start(&config, options).await.unwrap_or_else(|problems| panic!("{problems:?}"));
    (kafka, host)
}

/// Sends messages that succeed, and waits until the broker has them.
async fn send(host: &Host, topic: &str, messages: usize) {
    let (tickets, mut answers) = mpsc::channel(messages);
    for _ in 0..messages {
        let publication = Publication {
            destination: kafka::topic(topic),
            key: None,
            headers: Headers::default(),
            payload: Some(Bytes::from_static(b"d0")),
            timestamp_ms: None,
            group: None,
            deduplication: None,
        };
        let ticket = Ticket::new(tickets.clone(), DeliveryId::default(), 0);
        assert!(host.sinks().publish(&publication, ticket).is_ok());
    }
    let mut stored = 0;
    while stored < messages {
        stored += answers.recv().await.expect("an answer").len();
    }
}

/// Waits until the counters of the route satisfy the condition.
async fn until(host: &Host, route: usize, what: impl Fn(&Account) -> bool) {
    let look = async {
        while !what(&host.routes()[route].account()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = tokio::time::timeout(LONG, look).await;
    seen.unwrap_or_else(|_| panic!("{:?}", host.routes()[route].account()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_pauses_tries_resumes_and_drains_one_route_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (_kafka, host) = paused_host(folder.path()).await;
    let handles = host.handles().to_vec();
    let names: Vec<&str> = handles.iter().map(RouteHandle::name).collect();
    assert_eq!(names, ["left", "right"]);
    send(&host, "left", 3).await;
    send(&host, "right", 3).await;

    // Both routes have received all messages, and one resumes.
    until(&host, 0, |left| left.received == 3).await;
    until(&host, 1, |right| right.received == 3).await;
    assert_eq!(host.routes().iter().map(|route| route.account().done).sum::<u64>(), 0);
    handles[1].send(Command::Resume).await.unwrap();
    until(&host, 1, |right| right.done == 3).await;
    assert_eq!(host.routes()[0].account().done, 0);

    // The other route handles one message.
    handles[0].send(Command::TryOne).await.unwrap();
    until(&host, 0, |left| left.done == 1).await;

    // The route drains and gives back the messages that it has not handled.
    let limit = Duration::from_secs(10);
    handles[0].send(Command::Drain { finish: limit, flush: limit }).await.unwrap();
    until(&host, 0, |left| left.released == 2).await;
    let ended = async { while handles[0].send(Command::Pause).await.is_ok() {} };
    tokio::time::timeout(LONG, ended).await.expect("it ends, and takes no commands then");
    send(&host, "right", 1).await;
    until(&host, 1, |right| right.done == 4).await;

    host.stopper().cancel();
    let report = host.ended().await;
    assert_eq!((report.account.done, report.account.released, report.account.abandoned), (5, 2, 0));
    assert!(report.stopped.is_empty() && !report.cut_short, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_a_route_stops_the_host_as_a_fault_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (_kafka, mut host) = paused_host(folder.path()).await;
    host.flows.start(RouteHandle::new("broken").0, async { panic!("on purpose") }).unwrap();
    let report = host.ended().await;
    assert_eq!(report.stopped, [(Some("broken".into()), "panicked: on purpose".into())]);
    assert!(report.failed && !report.client_failed, "{report:?}");
}
