//! `cofferdam dev` with the example, on brokers inside the process: the totals, and each poison message as its table
//! says.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_ends_by_itself_with_its_account_and_its_dead_letters() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/order-pipeline");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(example.join("expected.json")).expect("what is expected"))
            .expect("JSON");
    let folder = example.to_str().expect("a path in unicode").to_owned();
    // Developers who share a target folder among projects have this set; nothing must be built there.
    let elsewhere = tempfile::tempdir().expect("a temporary folder can be made");
    let host = kit::host(["dev", &folder, "--exit-when-idle", "--json"]).env("CARGO_TARGET_DIR", elsewhere.path());
    let host = host.env("ADMIN_LISTEN", "127.0.0.1:0").start();
    // The handlers are built first, which takes one or two minutes without a build cache.
    let ended = host.wait(Duration::from_secs(400)).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);

    for (name, count) in expected["account_when_nothing_comes_twice"].as_object().expect("an account") {
        assert_eq!(&ended.account()[name], count, "{name}");
    }
    let lines = ended.stdout.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines only"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let dead: BTreeMap<String, (String, String)> = lines
        .filter(|line| line["event"] == "dead_letter")
        .map(|line| (text(&line["key"]), (text(&line["outcome"]), text(&line["code"]))))
        .collect();
    let letters = expected["dead_letters"].as_array().expect("a list");
    assert_eq!(dead.len(), letters.len());
    for letter in letters {
        let order = text(&letter["order"]);
        // The message group of a task is the order id and the task name.
        let found = dead.iter().find(|(key, _)| key.starts_with(&order)).map(|(_, found)| found.clone());
        assert_eq!(found, Some((text(&letter["outcome"]), text(&letter["code"]))), "{order}");
    }
}
