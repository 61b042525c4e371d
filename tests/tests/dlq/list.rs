//! The output of `dlq list` for people.

use crate::desk::{Desk, five, word};

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_picks_its_letters() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, letters) = five(kafka).await;
    let name = letters.as_str();
    let all = desk.json(&["list", name]).await;
    let third = word(&all[2], "time");
    for (filters, expected) in [
        (&[][..], &["0/0", "0/1", "0/2", "0/3", "0/4"][..]),
        (&["--outcome", "trapped"], &["0/2"]),
        (&["--outcome", "trapped,permanent", "--limit", "2"], &["0/0", "0/1"]),
        (&["--code", "REFUSED"], &["0/0", "0/1"]),
        (&["--code", "REFUSED", "--code", "TRAP_UNREACHABLE"], &["0/0", "0/1", "0/2"]),
        (&["--handler", "probe"], &["0/0", "0/1", "0/2", "0/3", "0/4"]),
        (&["--handler", "other"], &[]),
        (&["--since", &third], &["0/2", "0/3", "0/4"]),
        (&["--until", &third], &["0/0", "0/1"]),
        (&["--since", "1h"], &["0/0", "0/1", "0/2", "0/3", "0/4"]),
        (&["--until", "1h"], &[]),
        (&["--header", "tenant=acme"], &["0/0"]),
        (&["--key", "b", "--code", "REFUSED"], &["0/1"]),
        (&["--key", "base64:a/4="], &["0/3"]),
        (&["--replayed"], &[]),
    ] {
        assert_eq!(desk.positions(&[&[name], filters].concat()).await, expected, "{filters:?}");
    }
    assert_eq!(desk.positions(&["--route", "probe"]).await.len(), 5, "by the route");
    assert_eq!(desk.positions(&[&format!("kafka:{name}")]).await.len(), 5, "by the full name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_and_a_letter_are_told_in_words() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, letters) = five(kafka).await;
    let listed = desk.run(&["dlq", "list", &letters, "--limit", "4"]).await;
    assert_eq!(listed.stdout[0], format!("kafka:{letters}: 4 dead letters"));
    assert!(listed.stdout[1].starts_with("POSITION  TIME "), "{:#?}", listed.stdout);
    let cells =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    let row: Vec<String> = cells(&listed.stdout[5]);
    assert_eq!(
        (&*row[0], &row[2..7]),
        ("0/3", &["permanent", "VALIDATION_ERROR", "probe", "1", "base64 a/4="].map(str::to_owned)[..])
    );
    assert!(
        listed.stderr.iter().any(|line| line.contains("more dead letters exist; raise --limit")),
        "{:#?}",
        listed.stderr
    );

    let shown = desk.run(&["dlq", "show", &letters, "0/0"]).await;
    assert_eq!(shown.stdout[0], format!("kafka:{letters}/0/0"));
    for line in ["outcome     permanent REFUSED", "  tenant: acme", "payload (39 bytes)"] {
        assert!(shown.stdout.iter().any(|shown| shown == line), "{line:?} is not in {:#?}", shown.stdout);
    }
    let time = shown.stdout.iter().find(|line| line.starts_with("timestamp ")).expect("the timestamp");
    assert!(time.ends_with("T00:00:00.123Z"), "{time}");
    let shown = &desk.json(&["show", "--route", "probe", "0/3"]).await[0];
    assert_eq!((word(shown, "key_base64"), word(shown, "payload_base64")), ("a/4=".into(), "/wA=".into()));
    assert_eq!(shown["headers"], serde_json::json!([["z", "1"], ["nothing", null]]));
    let panicked = &desk.json(&["show", &letters, "0/2"]).await[0];
    assert_eq!(panicked["attempts"].as_array().map(Vec::len), Some(2));
    assert!(word(panicked, "backtrace").contains("panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_with_its_remedy() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("dlq-empty", 1).await;
    let desk = Desk::new(Some(kafka), None, &Desk::route("{ kafka = \"x\", group = \"y\" }", ""));
    for (arguments, code, said) in [
        (&["list"][..], 64, "missing topic, queue or --route; name a topic or queue"),
        (&["list", "--route", "other"], 64, "unknown route `other`; expected probe"),
        (&["list", &topic, "--outcome", "broken"], 64, "unknown outcome"),
        (&["list", &topic, "--since", "soon"], 64, "expected for example 2h"),
        (&["list", "no-such-topic"], 69, "kafka:no-such-topic: topic no-such-topic does not exist; check the name"),
        (&["list", "sqs:queue"], 78, "missing section [sqs]"),
        (&["show", &topic, "0/7"], 65, "no dead letter at \"0/7\"; `cofferdam dlq list kafka:"),
    ] {
        let ended = desk.run(&[&["dlq"], arguments].concat()).await;
        assert_eq!(ended.code(), Some(code), "{arguments:?}: {:#?}", ended.stderr);
        assert!(ended.stderr.iter().any(|line| line.contains(said)), "{arguments:?}: {:#?}", ended.stderr);
    }
}
