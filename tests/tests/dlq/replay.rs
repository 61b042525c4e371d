//! Replays the dead letters of a topic.

use std::time::{Duration, Instant};

use kit::Stored;

use crate::desk::{Desk, WAIT, bare, counted, five, letter, marker, word, yesterday};

/// Returns a desk without a host, with a route from this topic.
pub(crate) fn reading(kafka: &kit::Kafka, source: &str) -> Desk {
    Desk::new(Some(kafka), None, &Desk::route(&format!("{{ kafka = {source:?}, group = \"y\" }}"), ""))
}

/// Returns a desk without a host, a topic with this number of dead letters, and the topic that they came from.
pub(crate) async fn crafted(kafka: &kit::Kafka, letters: usize, partitions: i32) -> (Desk, String, String) {
    let (source, topic) = (kafka.topic("dlq-source", partitions).await, kafka.topic("dlq-letters", 1).await);
    let desk = reading(kafka, &source);
    let code = |number| if number % 3 == 0 { "THIRD" } else { "OTHER" };
    kafka.produce(&topic, (0..letters).map(|number| letter(&source, number, code(number)))).await;
    (desk, source, topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_go_back_byte_for_byte_with_a_marker_that_counts() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, letters) = five(kafka).await;
    let input = letters.trim_end_matches(".dlq");
    let report = &desk.json(&["replay", &letters]).await[0];
    assert_eq!(report["sent"], serde_json::json!({ format!("kafka:{input}"): 5 }), "{report}");

    let stored = kafka.read_all(input).await;
    let (originals, copies) = stored.split_at(5);
    let unmarked = |records: &[Stored]| records.iter().map(bare).collect::<Vec<_>>();
    assert_eq!(unmarked(copies), unmarked(originals));
    for (number, copy) in copies.iter().enumerate() {
        let marker = marker(copy);
        assert_eq!((word(&marker, "id"), word(&marker, "time")), (word(report, "replay"), word(report, "time")));
        assert_eq!((&marker["count"], word(&marker, "letter")), (&1.into(), format!("kafka:{letters}/0/{number}")));
    }

    assert!(desk.positions(&[&letters]).await.is_empty(), "none is left");
    assert_eq!(desk.positions(&[&letters, "--replayed"]).await.len(), 5);
    assert_eq!(desk.json(&["replay", &letters, "--code", "REFUSED"]).await[0]["letters"], 0, "not by another filter");

    // They fail again and become dead letters again.
    desk.host_until(async || (desk.positions(&[&letters]).await.len() == 5).then_some(())).await;
    desk.json(&["replay", &letters]).await;
    let again = kafka.read_all(input).await.split_off(10);
    assert_eq!(unmarked(&again), unmarked(originals), "the marker is not handed on twice");
    assert!(again.iter().all(|record| marker(record)["count"] == 2), "{again:?}");
    let markers = |record: &Stored| record.headers.iter().filter(|(name, _)| name == "cofferdam-replay").count();
    assert!(again.iter().all(|record| markers(record) == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replayed_by_one_filter_is_not_replayed_by_another() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 30, 1).await;
    let replay = async |arguments: &[&str]| {
        desk.json(&[&["replay", &topic], arguments].concat()).await[0]["letters"].as_u64().expect("a number")
    };
    assert_eq!(replay(&["--code", "THIRD"]).await, 10);
    assert_eq!(replay(&["--key", "k-1"]).await, 4, "1, 8, 22 and 29; 15 was sent");
    assert_eq!(replay(&["--limit", "5"]).await, 5);
    assert_eq!(replay(&["0/29", "0/28"]).await, 1, "29 was sent");
    assert_eq!(replay(&[]).await, 10);
    assert_eq!(replay(&[]).await, 0);
    let payloads = kafka.read_all(&source).await.iter().map(|record| record.text().to_owned()).collect::<Vec<_>>();
    assert_eq!(payloads.len(), 30);
    assert!(counted(payloads).values().all(|times| *times == 1));
    let committed = kafka.committed(&format!("cofferdam-dlq-{topic}"), &topic).await;
    assert_eq!(committed[&0].offset, kafka.ends(&topic).await[&0], "tools that show lag see none");

    assert_eq!(replay(&["--again", "0s", "--code", "THIRD"]).await, 10);
    let last = kafka.read_all(&source).await.split_off(30);
    assert!(last.iter().all(|record| marker(record)["count"] == 2));
    assert_eq!(replay(&["--again", "1h"]).await, 0, "all were replayed within the hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_back_into_its_partition_and_elsewhere_by_its_key() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (source, topic) = (kafka.topic("dlq-source", 3).await, kafka.topic("dlq-letters", 1).await);
    let other = kafka.topic("dlq-other", 1).await;
    let desk = reading(kafka, &source);
    let letters = (0..6).map(|number| letter(&source, number, "X").key("same"));
    let letters = letters.zip([0, 1, 2].into_iter().cycle());
    let letters = letters.map(|(letter, partition)| letter.header("cofferdam-dlq-position", format!("{partition}/7")));
    kafka.produce(&topic, letters).await;
    desk.json(&["replay", &topic, "--limit", "3"]).await;
    assert_eq!(counted(kafka.read_all(&source).await.iter().map(|record| record.partition)).len(), 3);
    desk.json(&["replay", &topic, "--to", &format!("kafka:{other}")]).await;
    assert_eq!(kafka.ends(&other).await[&0], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_its_topic_would_soon_delete_for_its_age_gets_the_present_as_timestamp() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 1, 1).await;
    let old = letter(&source, 1, "X").header("cofferdam-dlq-timestamp", "2020-01-01T00:00:00.000Z");
    kafka.produce(&topic, [old]).await;
    let report = &desk.json(&["replay", &topic]).await[0];
    assert_eq!((&report["letters"], &report["retimed"]), (&2.into(), &1.into()), "{report}");
    let stored = kafka.read_all(&source).await;
    assert_eq!(stored[0].timestamp, yesterday());
    assert!(stored[1].timestamp > yesterday() + 86_400_000, "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 10, 1).await;
    let ended = desk.run(&["dlq", "replay", &topic, "--dry-run"]).await;
    let expected = [format!("kafka:{topic}: 10 dead letters would be sent"), format!("  10 to kafka:{source}")];
    assert_eq!((ended.code(), &ended.stdout[..]), (Some(0), &expected[..]), "{:#?}", ended.stderr);
    assert_eq!((kafka.ends(&source).await[&0], kafka.ends(&topic).await[&0]), (0, 10));
    assert!(kafka.committed(&format!("cofferdam-dlq-{topic}"), &topic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_letters_leave_in_a_time_than_asked_for() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 120, 1).await;
    let start = Instant::now();
    let host = desk.start(&["dlq", "replay", &topic, "--rate", "40/s"]);
    kit::eventually("all are there", WAIT, async || {
        let sent = kafka.ends(&source).await[&0];
        let most = 1.0 + 40.0 * start.elapsed().as_secs_f64();
        assert!(sent as f64 <= most, "{sent} letters when {most} may have left");
        (sent == 120).then_some(())
    })
    .await;
    assert!(start.elapsed() >= Duration::from_millis(2_975), "{:?}", start.elapsed());
    assert_eq!(host.wait(WAIT).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_cannot_go_back_stay_and_are_named() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 2, 1).await;
    kafka.produce(&topic, [kit::Record::new("somebody else's")]).await;
    let ended = desk.run(&["dlq", "replay", &topic]).await;
    assert_eq!(ended.code(), Some(65));
    let said = "  1 name no source, and stay; --to sends them to a destination";
    assert!(ended.stdout.iter().any(|line| line == said), "{:#?}", ended.stdout);
    assert_eq!(desk.positions(&[&topic]).await, ["0/2"]);
    assert_eq!(kafka.ends(&source).await[&0], 2);

    let nowhere = kit::unique("nowhere");
    let ended = desk.run(&["dlq", "replay", &topic, "--to", &format!("kafka:{nowhere}")]).await;
    assert_eq!(ended.code(), Some(69));
    let said = format!("topic {nowhere} does not exist; nothing is lost: check the name");
    assert!(ended.stderr.iter().any(|line| line.contains(&said)), "{:#?}", ended.stderr);
    let report = &desk.json(&["replay", &topic, "--to", &format!("kafka:{source}")]).await[0];
    assert_eq!((&report["letters"], &report["repeated"]), (&1.into(), &0.into()), "{report}");
    assert_eq!(kafka.read_all(&source).await[2].text(), "somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_without_a_letter_is_told_and_so_is_one_that_was_replayed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 2, 1).await;
    let ended = desk.run(&["dlq", "replay", &topic, "0/0", "0/99"]).await;
    assert_eq!(ended.code(), Some(65));
    assert!(ended.stderr.iter().any(|line| line.contains(r#"no dead letter at "0/99""#)), "{:#?}", ended.stderr);
    assert_eq!(kafka.ends(&source).await[&0], 1, "the other one was sent");
    let again = desk.run(&["dlq", "replay", &topic, "0/0"]).await;
    let said = "  0/0 was replayed before, and is not sent again; --again sends it again";
    assert_eq!(again.code(), Some(0));
    assert!(again.stdout.iter().any(|line| line == said), "{:#?}", again.stdout);
    assert_eq!(kafka.ends(&source).await[&0], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_names_a_place_no_route_reads_stays_until_somebody_says_so() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 2, 1).await;
    let payments = kafka.topic("dlq-payments", 1).await;
    kafka.produce(&topic, [letter(&payments, 2, "X")]).await;
    let ended = desk.run(&["dlq", "replay", &topic]).await;
    assert_eq!(ended.code(), Some(65), "{:#?}", ended.stderr);
    let said = "  1 name a source that no configured route reads, and stay; --to-unknown sends them there:";
    assert!(ended.stdout.iter().any(|line| line == said), "{:#?}", ended.stdout);
    assert_eq!(ended.stdout.last(), Some(&format!("    1 name kafka:{payments}")));
    assert_eq!((kafka.ends(&source).await[&0], kafka.ends(&payments).await[&0]), (2, 0));
    assert_eq!(desk.positions(&[&topic]).await, ["0/2"]);
    let report = &desk.json(&["replay", &topic, "--to-unknown"]).await[0];
    assert_eq!(report["sent"], serde_json::json!({ format!("kafka:{payments}"): 1 }), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_destination_is_gone_keeps_no_other_from_being_replayed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, source, topic) = crafted(kafka, 3, 1).await;
    let gone = kit::unique("gone");
    let rest =
        [letter(&gone, 3, "X"), letter(&source, 4, "X"), letter("no topic at all", 5, "X"), letter(&source, 6, "X")];
    kafka.produce(&topic, rest).await;
    let ended = desk.run(&["dlq", "replay", &topic, "--to-unknown"]).await;
    assert_eq!(ended.code(), Some(65), "{:#?}", ended.stderr);
    assert_eq!(kafka.ends(&source).await[&0], 5, "{:#?}", ended.stdout);
    let said = [
        "  2 were rejected permanently, and stay:".to_owned(),
        format!("    kafka:{topic}/0/3: topic {gone} does not exist"),
        format!("    kafka:{topic}/0/5: topic no topic at all does not exist"),
    ];
    assert!(ended.stdout.ends_with(&said), "{:#?}", ended.stdout);
    let again = desk.run(&["dlq", "replay", &topic, "--to-unknown"]).await;
    assert_eq!((again.code(), kafka.ends(&source).await[&0]), (Some(65), 5), "what was sent is not sent again");
    assert_eq!(desk.positions(&[&topic]).await, ["0/3", "0/5"]);
}
