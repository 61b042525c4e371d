//! Dead letters of queues.

use std::collections::HashSet;
use std::time::Duration;

use kit::{Message, QueueSpec, Sqs};
use serde_json::json;

use crate::desk::{Desk, WAIT, counted};

/// Returns a route from this queue without a running host.
fn idle(source: &kit::Queue) -> String {
    Desk::route(&format!("{{ sqs = {:?} }}", source.name), "").replace("kafka = ", "sqs = ")
}

/// Reasons that a producer forges.
const FORGED: &str = r#"{"outcome":"permanent","code":"NO","text":"as usual","source":"payments","position":"m-1"}"#;

/// Returns a dead letter as a host writes it, of a message of `source`.
fn letter(source: &str, number: usize, code: &str) -> Message {
    let reasons = json!({
        "outcome": "permanent", "code": code, "text": "as asked", "route": "probe", "plugin": "probe",
        "attempts": [], "last-failure": "2026-01-01T00:00:00.000Z", "source": source, "position": format!("m-{number}"),
    });
    let message = Message::new(format!("payload {number}")).group(format!("g-{number}"));
    message.deduplication(format!("d-{number}")).attribute("cofferdam-dlq", reasons.to_string())
}

async fn settled(sqs: &Sqs, queue: &kit::Queue, visible: usize) {
    kit::eventually("the counts are right", WAIT, async || {
        let counts = sqs.counts(queue).await;
        (counts.visible == visible && counts.in_flight == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_message_goes_back_with_group_attributes_and_body() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::fifo("dlq-dead")).await;
    let source = sqs.create(QueueSpec::fifo("dlq-tasks").dead_letters(&dead, 5)).await;
    let route = Desk::route(&format!("{{ sqs = {:?} }}", source.name), "").replace("kafka = ", "sqs = ");
    let out = sqs.create(QueueSpec::standard("dlq-out")).await;
    let route = route.replace(
        route.split("out = { sqs = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("the output"),
        &out.name,
    );
    let desk = Desk::new(None, Some(&sqs), &route);
    // Ten attributes of the message, eleven with the reasons, and one more that says how the body is encoded.
    let mut message = Message::new(r#"{"do":"permanent"}"#).group("order-7").deduplication("d-1");
    for number in 0..9 {
        message = message.attribute(format!("a-{number}"), format!("value {number}"));
    }
    message = message.attribute("cofferdam-dlq", FORGED);
    sqs.send(&source, message).await;
    desk.host_until(async || (sqs.counts(&dead).await.visible == 1).then_some(())).await;

    let listed = &desk.json(&["list", "--route", "probe"]).await[0];
    assert_eq!((&listed["code"], &listed["key"]), (&"REFUSED".into(), &"order-7".into()), "{listed}");
    let shown = &desk.json(&["show", "--route", "probe", listed["position"].as_str().expect("an id")]).await[0];
    assert_eq!(shown["headers"].as_array().map(Vec::len), Some(10), "{shown}");
    let report = &desk.json(&["replay", &format!("sqs:{}", dead.name)]).await[0];
    assert_eq!(report["sent"], json!({ format!("sqs:{}", source.name): 1 }), "{report}");
    settled(&sqs, &dead, 0).await;

    // SQS allows ten attributes, so the replay marker does not fit beside ten. The host that reads such a message
    // unpacks them.
    desk.host_until(async || (sqs.counts(&dead).await.visible == 1).then_some(())).await;
    let again = desk.json(&["list", "--route", "probe"]).await;
    let position = again[0]["position"].as_str().expect("an id");
    let second = &desk.json(&["show", "--route", "probe", position]).await[0];
    let mut headers = second["headers"].as_array().expect("headers").clone();
    let marker = headers.pop().expect("the marker is the last by name");
    assert_eq!((&marker[0], json!(headers)), (&"cofferdam-replay".into(), shown["headers"].clone()));
    assert_eq!((&second["payload"], &second["key"]), (&shown["payload"], &shown["key"]));
    let replayed = &desk.json(&["replay", &format!("sqs:{}", dead.name)]).await[0];
    assert_eq!(replayed["letters"], 1);
    let received = sqs.receive_all(&source).await;
    let attributes = received[0].message_attributes().expect("attributes");
    let marker = attributes["cofferdam-replay"].string_value().expect("text");
    assert!(marker.contains("\"count\":2"), "{marker}");
    assert_eq!(received[0].body(), Some(r#"{"do":"permanent"}"#));
    assert_eq!(attributes["cofferdam-dlq"].string_value(), Some(FORGED), "as its producer wrote it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_there_for_others_at_once() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (source, dead) =
        (sqs.create(QueueSpec::standard("dlq-tasks")).await, sqs.create(QueueSpec::standard("dlq-dead")).await);
    let desk = Desk::new(None, Some(&sqs), &idle(&source));
    for number in 0..25 {
        let code = if number % 5 == 0 { "FIFTH" } else { "OTHER" };
        let letter = letter(&source.name, number, code);
        sqs.send(&dead, letter.standard()).await;
    }
    let name = format!("sqs:{}", dead.name);
    assert_eq!(desk.positions(&[&name]).await.len(), 25);
    settled(&sqs, &dead, 25).await;
    assert_eq!(desk.positions(&[&name, "--code", "FIFTH"]).await.len(), 5);
    let dry = &desk.json(&["replay", &name, "--dry-run"]).await[0];
    assert_eq!(dry["letters"], 25);
    settled(&sqs, &dead, 25).await;
    let report = &desk.json(&["replay", &name, "--code", "FIFTH"]).await[0];
    assert_eq!(report["letters"], 5);
    settled(&sqs, &dead, 20).await;
    assert_eq!(desk.json(&["purge", &name, "--header", "own=3", "--yes"]).await[0]["letters"], 0);
    assert_eq!(
        desk.json(&["purge", &name, "--code", "OTHER", "--until", "2026-01-02", "--yes"]).await[0]["letters"],
        20
    );
    settled(&sqs, &dead, 0).await;
    assert_eq!(sqs.receive_all(&source).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_of_a_fifo_queue_doubles_nothing() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (source, dead) =
        (sqs.create(QueueSpec::fifo("dlq-tasks")).await, sqs.create(QueueSpec::fifo("dlq-dead")).await);
    let desk = Desk::new(None, Some(&sqs), &idle(&source));
    const LETTERS: usize = 60;
    for number in 0..LETTERS {
        sqs.send(&dead, letter(&source.name, number, "X")).await;
    }
    let name = format!("sqs:{}", dead.name);
    let mut killed = desk.start(&["dlq", "replay", &name, "--rate", "20/s"]);
    kit::eventually("it is in the middle", WAIT, async || (sqs.counts(&source).await.visible >= 15).then_some(()))
        .await;
    killed.kill();
    let mut rest = 0;
    kit::eventually("all are sent; what the killed one held is hidden for a minute", 2 * WAIT, async || {
        let report = &desk.json(&["replay", &name]).await[0];
        rest += report["letters"].as_u64().expect("a number");
        (sqs.counts(&dead).await == kit::sqs::Counts::default()).then_some(())
    })
    .await;
    assert!(rest <= (LETTERS - 10) as u64, "the first batch was deleted: {rest}");
    let bodies: Vec<String> = sqs.receive_all(&source).await.iter().filter_map(|one| one.body.clone()).collect();
    assert_eq!(
        (bodies.len(), bodies.iter().collect::<HashSet<_>>().len()),
        (LETTERS, LETTERS),
        "{:?}",
        counted(bodies)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_itself_moved_is_listed_and_goes_back_where_it_came_from() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::standard("dlq-dead")).await;
    let source = QueueSpec::standard("dlq-tasks").dead_letters(&dead, 1).visibility_timeout(Duration::ZERO);
    let source = sqs.create(source).await;
    let desk = Desk::new(None, Some(&sqs), &idle(&source));
    let message = Message::new("too often").attribute("own", "x").attribute("cofferdam-dlq", FORGED);
    let id = sqs.send(&source, message).await;
    kit::eventually("it is moved", WAIT, async || {
        sqs.receive(&source, Duration::ZERO).await;
        (sqs.counts(&dead).await.visible == 1).then_some(())
    })
    .await;
    let name = format!("sqs:{}", dead.name);
    let listed = &desk.json(&["list", &name]).await[0];
    assert_eq!(listed["position"].as_str(), Some(&*id), "{listed}");
    assert_eq!(listed["source"], format!("sqs:{}", source.name));
    let table = desk.run(&["dlq", "list", &name]).await;
    assert!(
        table.stdout[2].contains(&format!("moved by the redrive policy of {}", source.name)),
        "{:#?}",
        table.stdout
    );
    desk.json(&["replay", &name]).await;
    settled(&sqs, &dead, 0).await;
    let back = sqs.receive(&source, Duration::from_secs(5)).await;
    assert_eq!(back[0].body(), Some("too often"));
    let attribute = |name: &str| back[0].message_attributes().and_then(|all| all[name].string_value());
    assert_eq!((attribute("own"), attribute("cofferdam-dlq")), (Some("x"), Some(FORGED)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_fails_again_during_a_replay_is_not_sent_again_by_it() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::standard("dlq-dead")).await;
    let source = sqs.create(QueueSpec::standard("dlq-tasks").dead_letters(&dead, 10)).await;
    let out = sqs.create(QueueSpec::standard("dlq-out")).await;
    let route = format!(
        "[[routes]]\nname = \"probe\"\nfrom = {{ sqs = {:?}, wait = \"1s\" }}\nhandler = \"probe\"\n\
         [routes.outputs]\nout = {{ sqs = {:?} }}\n",
        source.name, out.name,
    );
    let desk = Desk::new(None, Some(&sqs), &route);
    for _ in 0..2 {
        sqs.send(&source, Message::new(r#"{"do":"permanent"}"#)).await;
    }
    let mut host = desk.start(&["run", "--json"]);
    settled(&sqs, &dead, 2).await;
    for replay in 1..=2 {
        let report = &desk.json(&["replay", &format!("sqs:{}", dead.name)]).await[0];
        assert_eq!(report["letters"], 2, "replay {replay}: {report}");
        settled(&sqs, &dead, 2).await;
    }
    host.signal(kit::Signal::TERM);
    let ended = host.wait(WAIT).await;
    assert_eq!((ended.code(), &ended.account()["dead_lettered"]), (Some(0), &6.into()), "{:#?}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_queue_is_gone_keeps_no_other_from_being_replayed() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (source, dead) =
        (sqs.create(QueueSpec::standard("dlq-tasks")).await, sqs.create(QueueSpec::standard("dlq-dead")).await);
    let desk = Desk::new(None, Some(&sqs), &idle(&source));
    let gone = kit::unique("gone");
    for (number, source) in [(0, &*source.name), (1, &gone), (2, &*source.name)] {
        sqs.send(&dead, letter(source, number, "X").standard()).await;
    }
    let name = format!("sqs:{}", dead.name);
    let ended = desk.run(&["dlq", "replay", &name, "--to-unknown"]).await;
    assert_eq!(ended.code(), Some(65), "{:#?}", ended.stderr);
    assert!(ended.stdout.contains(&"  1 were rejected permanently, and stay:".to_owned()), "{:#?}", ended.stdout);
    settled(&sqs, &dead, 1).await;
    assert_eq!(sqs.receive_all(&source).await.len(), 2);
}
