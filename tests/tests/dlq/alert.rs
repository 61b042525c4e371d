//! A host alerts when a destination holds too many dead letters.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kit::{Host, Message, QueueSpec};
use serde_json::{Value, json};

use crate::desk::{Desk, WAIT, letter, word};

const ALERTS: &str = "[alerts]\ndead_letters = 3\ninterval = \"1s\"\n";

/// Returns a page of a host's admin server.
fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the admin server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit above zero");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}

/// Returns the address of this host's admin server.
async fn address(host: &Host) -> String {
    let line = host.says("admin server is listening", WAIT).await;
    let line: Value = serde_json::from_str(&line).expect("a line of JSON");
    let fields = if line["address"].is_null() { &line["fields"] } else { &line };
    word(fields, "address")
}

/// Waits until the host reports this number of dead letters in the destination, with or without an alert.
async fn seen(address: &str, destination: &str, letters: u64, alert: bool) {
    let metric = format!("cofferdam_dead_letters{{destination=\"{destination}\"}} {letters}");
    let broker = destination.split(':').next().expect("a scheme");
    let expected = json!([{ "destination": destination, "letters": letters, "limit": 3, "alert": alert }]);
    kit::eventually(&format!("{metric}, {expected}"), WAIT, async || {
        let health: Value = serde_json::from_str(&page(address, &format!("/{broker}/health"))).ok()?;
        let whole: Value = serde_json::from_str(&page(address, "/health")).ok()?;
        let right = health["dead_letters"] == expected && whole[broker]["dead_letters"] == expected;
        (right && page(address, "/metrics").lines().any(|line| line == metric)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_letters_in_a_topic_are_told_until_they_are_replayed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let input = kafka.topic("dlq-alert", 1).await;
    let (dead, other) = (kafka.topic("dlq-letters", 1).await, kafka.topic("dlq-other", 1).await);
    let from = format!("{{ kafka = [\"{input}\"], group = \"{input}\" }}");
    let route = Desk::route(&from, &format!("dead_letter = {{ kafka = {dead:?} }}"));
    let desk = Desk::new(Some(kafka), None, &format!("{route}{ALERTS}"));
    kafka.produce(&dead, (0..3).map(|number| letter(&input, number, "X"))).await;
    let host = desk.start(&["run", "--json"]);
    let (address, destination) = (address(&host).await, format!("kafka:{dead}"));
    seen(&address, &destination, 3, false).await;
    kafka.produce(&dead, [letter(&input, 3, "X")]).await;
    seen(&address, &destination, 4, true).await;
    let warning = host.says("dlq_depth", WAIT).await;
    assert!(warning.contains("WARN") && warning.contains(&destination), "{warning}");
    desk.json(&["replay", &dead, "--to", &format!("kafka:{other}")]).await;
    seen(&address, &destination, 0, false).await;
    host.says("dead-letter depth is back below the threshold", WAIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_letters_in_a_queue_are_told_until_they_are_deleted() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::standard("dlq-dead")).await;
    let source = sqs.create(QueueSpec::standard("dlq-tasks").dead_letters(&dead, 3)).await;
    let out = sqs.create(QueueSpec::standard("dlq-out")).await;
    let routes = format!(
        "[[routes]]\nname = \"probe\"\nfrom = {{ sqs = {:?} }}\nhandler = \"probe\"\n\
         [routes.outputs]\nout = {{ sqs = {:?} }}\n{ALERTS}",
        source.name, out.name,
    );
    let desk = Desk::new(None, Some(&sqs), &routes);
    for number in 0..4 {
        sqs.send(&dead, Message::new(format!("{number}"))).await;
    }
    let host = desk.start(&["run", "--json"]);
    let (address, destination) = (address(&host).await, format!("sqs:{}", dead.name));
    seen(&address, &destination, 4, true).await;
    assert!(host.says("dlq_depth", WAIT).await.contains("WARN"));
    desk.json(&["purge", "--route", "probe", "--yes"]).await;
    seen(&address, &destination, 0, false).await;
}
