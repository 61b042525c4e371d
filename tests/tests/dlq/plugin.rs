//! Calls a plugin file with one dead letter.

use crate::desk::five;

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_can_be_tried_on_a_plugin_file_without_a_write() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (desk, letters) = five(kafka).await;
    let input = letters.trim_end_matches(".dlq");
    let probe = kit::guest("probe");
    let plugin = probe.to_str().expect("a path in unicode");
    let compiled = desk.compiled();
    assert_eq!(compiled.len(), 1, "by the host that has made the letters");
    let tried = desk.run(&["dlq", "replay", "--plugin", plugin, &letters, "0/0", "--json"]).await;
    let used = desk.compiled();
    assert!(compiled.keys().eq(used.keys()) && compiled != used, "it is used, and not compiled again: {used:?}");
    let result: serde_json::Value = serde_json::from_str(&tried.stdout[0]).expect("JSON");
    assert_eq!((tried.code(), &result["code"]), (Some(65), &"REFUSED".into()), "{:#?}", tried.stderr);
    let tried = desk.run(&["dlq", "replay", "--plugin", plugin, "--route", "probe", "0/2"]).await;
    assert_eq!(tried.code(), Some(70), "{:#?}", tried.stderr);
    assert!(tried.stdout[0].starts_with("trapped TRAP_UNREACHABLE"), "{:#?}", tried.stdout);
    assert_eq!((kafka.ends(input).await[&0], kafka.ends(&letters).await[&0]), (5, 5));
    assert_eq!(desk.positions(&[&letters]).await.len(), 5, "it is no replay");
}
