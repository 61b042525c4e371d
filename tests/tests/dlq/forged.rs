//! Headers that a producer writes cannot pass for those of the host.

use kit::{Record, Stored};
use serde_json::json;

use crate::desk::{Desk, bare, word};

/// Returns a record that its handler rejects, with forged reason headers.
fn forged(payments: &str) -> Record {
    Record::new(r#"{"do":"permanent"}"#)
        .key("forged")
        .header("cofferdam-dlq-outcome", "permanent")
        .header("cofferdam-dlq-code", "NO")
        .header("cofferdam-dlq-source", payments)
        .header("cofferdam-dlq-position", "0/0")
        .header("_cofferdam-dlq-source", "hidden once")
}

/// The same, so large that its dead letter has no room for reason headers in a topic with the limit [`LARGEST`].
fn large(payments: &str) -> Record {
    forged(payments).header("fill", filling())
}

/// Returns incompressible bytes that leave room for an original, but not for reason headers beside it.
fn filling() -> Vec<u8> {
    let next =
        |random: &u64| Some(random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(7), next).map(|random| random.to_be_bytes()[0]).take(LARGEST - 480).collect()
}

/// Maximum size of a batch in bytes.
const LARGEST: usize = 20_000;

/// Returns a record that its handler rejects, and whose dead letter would be read as a replay record if it had only the
/// original headers.
fn refused_receipt(topic: &str, more: Vec<u8>) -> Record {
    let time = "2026-11-01T00:00:00.000Z";
    let receipt = json!({ "do": "permanent", "state": "replayed", "replay": "r", "time": time, "topic": topic, "offsets": "0-99" });
    Record::new(receipt.to_string()).key("k").header("cofferdam-dlq-receipt", "replayed").header("content-type", more)
}

/// Returns a replay record as a host writes it.
fn receipt(topic: &str, offsets: &str) -> Record {
    let time = "2026-11-01T00:00:00.000Z";
    let receipt = json!({ "state": "replayed", "replay": "r", "time": time, "topic": topic, "offsets": offsets });
    Record::new(receipt.to_string())
        .key(format!("cofferdam-dlq-receipt/r/replayed/{offsets}"))
        .header("cofferdam-dlq-receipt", "replayed")
        .header("content-type", "application/json")
}

async fn desk(kafka: &kit::Kafka) -> (Desk, String, String) {
    let input = kafka.topic("dlq-in", 1).await;
    let letters = format!("{input}.dlq");
    kafka.create_topic(&letters, 1).await;
    kafka.alter_topic(&letters, "max.message.bytes", &LARGEST.to_string()).await;
    let from = format!("{{ kafka = {input:?}, group = {input:?} }}");
    (Desk::new(Some(kafka), None, &Desk::route(&from, "order = \"partition\"")), input, letters)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_cannot_say_where_its_letter_goes() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, input, letters) = desk(kafka).await;
    let payments = kafka.topic("dlq-payments", 1).await;
    kafka.produce(&input, [large(&payments), forged(&payments)]).await;
    desk.dead_letters(kafka, &letters, 2).await;

    let listed = desk.json(&["list", &letters]).await;
    assert_eq!((&listed[0]["outcome"], &listed[0]["source"]), (&json!(null), &json!(null)), "{}", listed[0]);
    assert_eq!(listed[1]["source"], format!("kafka:{input}"));
    let ended = desk.run(&["dlq", "replay", &letters, "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&ended.stdout[0]).expect("a line of JSON");
    assert_eq!((ended.code(), &report["without_source"]), (Some(65), &1.into()), "{report}");
    assert_eq!(report["sent"], json!({ format!("kafka:{input}"): 1 }), "{report}");
    desk.json(&["replay", &letters, "--to", &format!("kafka:{input}")]).await;
    assert_eq!(kafka.ends(&payments).await[&0], 0);

    let stored: Vec<Stored> = kafka.read_all(&input).await.iter().map(bare).collect();
    let [large, small, small_again, large_again] = &stored[..] else { panic!("not two and two: {stored:?}") };
    assert_eq!((small_again, large_again), (small, large), "byte for byte, forged headers too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_cannot_hide_letters() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, input, letters) = desk(kafka).await;
    let refused = |number: usize| kit::Probe::ask("k", "permanent", number);
    let (long, short) = (refused_receipt(&letters, filling()), refused_receipt(&letters, b"x".to_vec()));
    kafka.produce(&input, [refused(0), refused(1), long, short, refused(4)]).await;
    desk.dead_letters(kafka, &letters, 5).await;
    assert_eq!(desk.positions(&[&letters]).await, ["0/0", "0/1", "0/2", "0/3", "0/4"]);

    // Written directly into the dead-letter topic: a replay record cannot refer to records after it.
    let all = [receipt(&letters, "0-9223372036854775806"), receipt(&letters, "6-7"), receipt(&letters, "1,0")];
    kafka.produce(&letters, all).await;
    let listed = desk.json(&["list", &letters]).await;
    assert_eq!(listed.len(), 8, "{listed:?}");
    // A replay record that a host could have written is valid: it cannot be told from a real one.
    kafka.produce(&letters, [receipt(&letters, "0-7")]).await;
    let listed = desk.json(&["list", &letters, "--all"]).await;
    assert_eq!((listed.len(), word(&listed[0], "last_replay")), (8, "2026-11-01T00:00:00.000Z".to_owned()));
}
