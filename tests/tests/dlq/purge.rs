//! Deletes dead letters: of a topic only the first ones, of a queue any.

use std::fs::File;

use kit::{Message, QueueSpec};

use crate::desk::Desk;
use crate::replay::crafted;

#[tokio::test(flavor = "multi_thread")]
async fn the_source_of_a_route_is_neither_purged_nor_replayed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (topic, queue) = (kafka.topic("dlq-live", 1).await, sqs.create(QueueSpec::standard("dlq-live")).await);
    kafka.produce(&topic, [kit::Record::new("not handled yet")]).await;
    sqs.send(&queue, Message::new("not handled yet")).await;
    let routes = [format!("{{ kafka = {topic:?}, group = {topic:?} }}"), format!("{{ sqs = {:?} }}", queue.name)];
    let pattern = format!("{{ kafka = \"^{}\", group = {topic:?} }}", &topic[..topic.len() - 1]);
    for (from, named) in [
        (&routes[0], format!("kafka:{topic}")),
        (&pattern, format!("kafka:{topic}")),
        (&routes[1], format!("sqs:{}", queue.name)),
        (&routes[1], format!("sqs:{}", queue.url)),
    ] {
        let more = format!("dead_letter = {{ kafka = \"{}\" }}", kit::unique("elsewhere"));
        let desk = Desk::new(Some(kafka), Some(&sqs), &Desk::route(from, &more));
        for command in [&["dlq", "purge", &named, "--yes"][..], &["dlq", "replay", &named, "--to-unknown"]] {
            let refused = desk.run(command).await;
            assert_eq!(refused.code(), Some(64), "{:#?}", refused.stderr);
            let said = format!("a route of the configuration reads {named}: its messages are not dead letters; ");
            assert!(refused.stderr.iter().any(|line| line.contains(&said)), "{:#?}", refused.stderr);
        }
    }
    assert_eq!(kafka.read_all(&topic).await.len(), 1);
    assert_eq!(sqs.counts(&queue).await.visible, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_not_replayed_into_their_own_destination() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, _, topic) = crafted(kafka, 2, 1).await;
    let refused = desk.run(&["dlq", "replay", &topic, "--to", &format!("kafka:{topic}")]).await;
    assert_eq!(refused.code(), Some(64), "{:#?}", refused.stderr);
    assert_eq!(kafka.read_all(&topic).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_an_error_and_a_closed_pipe_is_none() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, _, topic) = crafted(kafka, 2, 1).await;
    let full = || File::options().write(true).open("/dev/full").expect("Linux has it");
    let list = |out: std::process::Stdio, errors: std::process::Stdio| {
        let mut command = std::process::Command::new(kit::host::binary());
        command.args(["dlq", "list", &topic, "--json"]).current_dir(desk.folder()).stdout(out).stderr(errors);
        command.output().expect("it starts")
    };
    let failed = list(full().into(), std::process::Stdio::piped());
    assert_eq!(failed.status.code(), Some(74));
    let said = "cofferdam: failed to write to standard output: No space left on device (os error 28)\n";
    assert_eq!(String::from_utf8_lossy(&failed.stderr), said);
    assert_eq!(list(full().into(), full().into()).status.code(), Some(74), "not a panic");
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    assert_eq!(list(writer.into(), std::process::Stdio::piped()).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_topic_only_a_beginning_is_deleted_and_only_when_asked() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, _, topic) = crafted(kafka, 30, 1).await;
    let purge = async |arguments: &[&str]| desk.run(&[&["dlq", "purge", &topic], arguments].concat()).await;
    let left = async || desk.positions(&[&topic, "--all"]).await.len();

    let refused = purge(&["--code", "THIRD", "--yes"]).await;
    assert_eq!(refused.code(), Some(65));
    let said = "kafka deletes records only from the beginning of a partition, and 9 of 10 dead letters selected by the filters \
                come after dead letters to keep, the first of them at 0/1; replay the dead letters to keep first, or select \
                them too; --prefix deletes the 1 before them";
    assert!(refused.stderr[0].ends_with(said), "{:#?}", refused.stderr);
    assert_eq!(purge(&[]).await.code(), Some(64), "nobody can be asked");
    assert_eq!(purge(&["--dry-run"]).await.stdout, [format!("kafka:{topic}: 30 dead letters would be deleted")]);
    assert_eq!(left().await, 30);

    assert_eq!(purge(&["--code", "THIRD", "--prefix", "--yes"]).await.code(), Some(0));
    assert_eq!(left().await, 29);
    assert_eq!(purge(&["--until", "2026-01-01T00:00:10Z", "--yes"]).await.code(), Some(0));
    assert_eq!(desk.positions(&[&topic]).await.first().map(String::as_str), Some("0/10"));

    desk.json(&["replay", &topic, "--until", "2026-01-01T00:00:20Z"]).await;
    let purged = purge(&["--replayed", "--yes"]).await;
    assert_eq!(purged.stdout, [format!("kafka:{topic}: 10 dead letters deleted")], "{:#?}", purged.stderr);
    assert_eq!(desk.positions(&[&topic, "--all"]).await.len(), 10);
    assert_eq!(purge(&["--yes"]).await.code(), Some(0));
    assert_eq!(left().await, 0);
    assert!(kafka.read_all(&topic).await.is_empty(), "the receipts are gone too");
}
