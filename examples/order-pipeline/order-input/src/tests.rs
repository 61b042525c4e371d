//! What stands in the repository is what the tables say.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_files_in_the_repository_are_those_that_are_made() {
    for (path, content) in files() {
        let found = std::fs::read_to_string(example().join(&path)).unwrap();
        assert!(found == content, "{} is not what `cargo run -p order-input` writes", path.display());
    }
}

#[test]
fn there_are_a_thousand_messages_with_different_keys_and_twelve_of_them_are_poison() {
    let text = &files()[Path::new("input/orders.placed.jsonl")];
    let keys: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), MESSAGES);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), MESSAGES);
    assert_eq!(keys.iter().filter(|key| key.starts_with("poison-")).count(), 12);
    let poison = keys.iter().enumerate().filter(|(_, key)| key.starts_with("poison-")).map(|(index, _)| index);
    let places: Vec<_> = poison.collect();
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 50), "{places:?}");
}

#[test]
fn the_price_list_is_the_one_of_the_configuration() {
    let configuration = std::fs::read_to_string(example().join("cofferdam.toml")).unwrap();
    let listed: Vec<&str> = configuration.lines().filter(|line| line.starts_with("\"price.")).collect();
    let expected: Vec<String> =
        orders::PRICES.iter().map(|(article, cents)| format!("\"price.{article}\" = \"{cents}\"")).collect();
    assert_eq!(listed, expected);
}

#[test]
fn an_order_comes_to_what_its_items_cost() {
    assert_eq!(Order::poisoned("o", &["mug", "moon-cheese", "kettle"], None).total_cents(), 950 + 3990);
}
