//! Compares the reference page of all keys with the reader.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::super::read::Reader;
use super::super::{Config, read};

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// Tables with user-defined keys.
const OPEN: [&str; 6] = [
    "kafka.properties",
    "plugins.price.config",
    "plugins.price.secrets",
    "routes[].codes",
    "routes[].outputs",
    "routes[].envelope.json.attributes",
];

fn example() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

fn nobody(name: &str) -> Option<String> {
    (name == "PRICE_API_KEY").then(|| "a secret".to_owned())
}

/// The keys in `table`, with `[]` for any index.
fn keys(table: &DeTable<'_>, path: &str, found: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
        found.insert(key.clone());
        match value.get_ref() {
            DeValue::Table(table) => keys(table, &key, found),
            DeValue::Array(list) => list.iter().for_each(|element| {
                if let DeValue::Table(table) = element.get_ref() {
                    keys(table, &format!("{key}[]"), found);
                }
            }),
            _ => {}
        }
    }
}

/// Replaces names: `routes[].outputs.NAME.key` for any output, and the same for secrets.
fn without_names(key: &str) -> String {
    if key.starts_with("plugins.price.secrets.") {
        return "plugins.price.secrets".to_owned();
    }
    match key.strip_prefix("routes[].outputs.") {
        Some(rest) => format!("routes[].outputs.{}", rest.split_once('.').map_or("", |(_, key)| key)),
        None => key.to_owned(),
    }
}

#[test]
fn every_key_that_the_reader_asks_for_stands_in_the_page() {
    let root = read::parse("page", example()).unwrap();
    let reader = Reader::new("page", example(), &nobody);
    let config = Config::read(&reader, &root, Path::new(""));
    let mut written = BTreeSet::new();
    keys(&root, "", &mut written);
    let written: BTreeSet<String> = written.iter().map(|key| without_names(key)).collect();
    let asked: BTreeSet<String> = reader.asked().iter().map(|key| without_names(key)).collect();
    // The reader opens all tables that are on the page, so `asked` contains their keys.
    let missing: Vec<&String> = asked.difference(&written).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // The reader knows every key on the page, because it reports unknown keys.
    assert_eq!(reader.finish(), Ok(Vec::new()));
    assert_eq!(config.routes.len(), 2);
    assert!(OPEN.iter().all(|key| written.contains(*key)));
}

#[test]
fn complete_configurations_on_the_pages_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(page) = std::fs::read_to_string(&path) else { continue };
        let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
        for (block, _) in blocks.filter(|(block, _)| block.contains("[service]")) {
            let config = Config::parse(block, &path, &nobody);
            assert!(config.is_ok(), "{}: {config:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 1, "{checked} configurations were found");
}

#[test]
fn the_defaults_of_the_page_are_the_readers() {
    let line_has_default = |line: &str| line.contains("# default; ");
    let without: Vec<&str> = example().lines().filter(|line| !line_has_default(line)).collect();
    assert!(example().lines().filter(|line| line_has_default(line)).count() > 30);
    let parse = |text: &str| Config::parse(text, Path::new("cofferdam.toml"), &nobody).unwrap();
    let (all, least) = (parse(example()), parse(&without.join("\n")));
    let shown = |config: &Config| format!("{:#?}", Config { warnings: Vec::new(), ..config.clone() });
    assert_eq!(shown(&all), shown(&least));
}
