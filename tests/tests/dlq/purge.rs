//! Deletes dead letters: of a topic only the first ones, of a queue any.

use crate::replay::crafted;

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
