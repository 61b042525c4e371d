//! The pages for users: links resolve, commands have the options that are shown, and tables that repeat the source have
//! its rows. Tests compare names, never the wording.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

use cofferdam::config::Sandbox;
use cofferdam::plugin::{Limit, Limits, Unit};
use cofferdam_core::dead_letter::profile::cofferdam as profile;

/// Folders without documentation of this project.
const SKIPPED: [&str; 4] = ["target", "node_modules", "template", "template-ts"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every page of the repository by its path from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&&*name) {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|end| end == "md") {
                let text = std::fs::read_to_string(&path).expect("a page can be read");
                found.insert(path.strip_prefix(root()).expect("it is below the root").to_owned(), text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root(), &mut found);
    assert!(found.len() > 15, "pages were found: {found:?}");
    found
}

/// Returns the lines of a page outside its code blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push(line);
        }
    }
    lines
}

/// Returns the anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
            kept.map(|character| if character == ' ' { '-' } else { character }).collect()
        })
        .collect()
}

/// Returns `path` without `..`, for look-ups.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(plain.pop(), "{} leads out of the repository", path.display()),
            other => plain.push(other),
        }
    }
    plain
}

/// Returns the targets of the links in `line`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages();
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for target in prose(page).into_iter().flat_map(links).filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.clone() } else { plain(&path.with_file_name("").join(file)) };
            let there = root().join(&to).exists();
            let heading = anchor.is_empty() || pages.get(&to).is_some_and(|page| anchors(page).contains(anchor));
            if !there || !heading {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Returns the part of a page below `heading`, up to the next heading of its level or a higher one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let level = heading.split(' ').next().unwrap_or_default();
    let ends = (1..=level.len()).filter_map(|depth| rest.find(&format!("\n{} ", "#".repeat(depth))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// Returns the cells of the rows of all tables in `text`, without headings.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("|---");
    let rows = lines.iter().enumerate().filter(|(at, line)| {
        line.starts_with('|') && !is_rule(line) && !lines.get(at + 1).is_some_and(|next| is_rule(next))
    });
    rows.map(|(_, row)| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Returns the texts between backticks in the first cell of each row.
fn names(text: &str) -> BTreeSet<String> {
    let cells = rows(text).into_iter().map(|row| row[0].clone());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Returns the first two cells of each row: the name of a metric or log event, and its labels or level.
fn heads(text: &str) -> Vec<(String, String)> {
    let mut heads: Vec<_> = rows(text).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    // A row without a name belongs to the row above.
    for at in 1..heads.len() {
        if heads[at].0.is_empty() {
            heads[at].0 = heads[at - 1].0.clone();
        }
    }
    heads.sort();
    heads
}

#[test]
fn metrics_and_log_events_are_those_of_the_source() {
    // A test of the host compares the tables in its documentation with its metrics and log events.
    let source = read("host/src/telemetry.rs");
    let documentation: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let documentation = documentation.join("\n");
    let (metrics, events) = documentation.split_once("\n# Log events\n").expect("both are documented");
    let page = read("host/docs/operations.md");
    assert_eq!(heads(section(&page, "## Metrics")), heads(metrics));
    assert_eq!(heads(section(&page, "## Logs")), heads(events));
    assert!(heads(metrics).len() > 20 && heads(events).len() > 30);
}

#[test]
fn outcomes_and_codes_are_those_of_the_source() {
    let source = read("host/core/src/outcome.rs");
    let page = read("host/docs/sandbox.md");
    let classes = source.split("Self::").filter_map(|rest| rest.split_once(" => \"")?.1.split_once('"'));
    let classes: BTreeSet<String> = classes.map(|(word, _)| word.to_owned()).collect();
    assert_eq!(classes.len(), 12, "{classes:?}");
    assert_eq!(names(section(&page, "## Outcomes")), classes);
    let (_, codes) = source.split_once("\ncodes! {\n").expect("codes have a list");
    let (codes, _) = codes.split_once("\n}\n").expect("the list ends");
    let codes = codes.lines().map(|line| line.trim().trim_end_matches(','));
    let codes: BTreeSet<String> = codes.filter(|line| !line.starts_with("///")).map(str::to_owned).collect();
    assert!(codes.len() > 20, "{codes:?}");
    assert_eq!(names(section(&page, "## Codes")), codes);
}

#[test]
fn every_exit_code_of_the_source_stands_in_the_page_of_operations() {
    let source = read("host/src/exit.rs");
    let (_, exits) = source.split_once("pub enum Exit {").expect("exit codes have a list");
    let (exits, _) = exits.split_once("\n}\n").expect("the list ends");
    let codes = exits.lines().filter_map(|line| line.split_once(" = ")).map(|(_, code)| code.trim_end_matches(','));
    let codes: BTreeSet<String> = codes.map(str::to_owned).collect();
    let page = read("host/docs/operations.md");
    let shown: BTreeSet<String> = rows(section(&page, "## Exit codes")).into_iter().map(|row| row[0].clone()).collect();
    let missing: Vec<_> = codes.difference(&shown).collect();
    assert!(codes.len() > 5 && missing.is_empty(), "{missing:?}");
}

/// Parses a number of the configuration page in the unit of its limit: `"64MiB"`, `15m`, `1000`.
fn amount(text: &str, unit: Unit) -> u64 {
    let text = text.trim_matches('"');
    let (number, suffix) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let scale = match (unit, suffix) {
        (_, "") | (Unit::Milliseconds, "ms") => 1,
        (Unit::Bytes, "KiB") => 1 << 10,
        (Unit::Bytes, "MiB") => 1 << 20,
        (Unit::Bytes, "GiB") => 1 << 30,
        (Unit::Milliseconds, "s") => 1000,
        (Unit::Milliseconds, "m") => 60_000,
        (Unit::Milliseconds, "h") => 3_600_000,
        _ => panic!("{text} is no amount in {unit:?}"),
    };
    number.parse::<u64>().unwrap_or_else(|error| panic!("{text}: {error}")) * scale
}

/// Returns the keys of the table `heading` of a configuration, each with its value and its range.
fn keys_of(page: &str, heading: &str) -> Vec<(String, u64, RangeInclusive<u64>)> {
    let (_, table) = page.split_once(&format!("\n{heading}")).unwrap_or_else(|| panic!("no table {heading}"));
    let lines = table.lines().skip(1).take_while(|line| !line.is_empty());
    let keys = lines.map(|line| {
        let (key, rest) = line.split_once(" = ").unwrap_or_else(|| panic!("no value: {line}"));
        let (value, range) = rest.split_once("# default; ").unwrap_or_else(|| panic!("no range: {line}"));
        let (least, most) = range.split_once(" to ").unwrap_or_else(|| panic!("no range: {line}"));
        let most = most.split([';', ' ']).next().unwrap_or_default();
        let limit = Limit::ALL.iter().find(|limit| limit.name() == key).unwrap_or_else(|| panic!("no limit {key}"));
        let amount = |text: &str| amount(text.trim(), limit.unit());
        (key.to_owned(), amount(value), amount(least)..=amount(most))
    });
    keys.collect()
}

#[test]
fn limits_on_the_pages_are_those_of_the_table() {
    let configuration = read("host/docs/configuration.md");
    let bounds = Sandbox::default().limits;
    for (heading, values) in [("[plugins.price.limits]", &Limits::default()), ("[sandbox.limits]", &bounds)] {
        let table = Limit::ALL.iter().map(|limit| (limit.name().to_owned(), values.get(*limit), limit.range()));
        assert_eq!(keys_of(&configuration, heading), table.collect::<Vec<_>>(), "{heading}");
    }
    let shown = rows(section(&read("host/docs/sandbox.md"), "## Limits")).into_iter().map(|row| {
        let code = row[2].split('`').nth(1).map(str::to_owned);
        (row[0].trim_matches('`').to_owned(), row[1].clone(), code)
    });
    let table = Limit::ALL.iter().map(|limit| {
        let code = limit.ends_with().map(|(_, code)| code.to_string());
        (limit.name().to_owned(), limit.sentence().to_owned(), code)
    });
    // The page sorts them by what they count.
    assert_eq!(shown.collect::<BTreeSet<_>>(), table.collect::<BTreeSet<_>>());
}

#[test]
fn the_reasons_of_dead_letters_are_those_of_the_source() {
    let reasons: BTreeSet<String> = profile::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names(section(&read("host/docs/dead-letters.md"), "## Reasons")), reasons);
}

/// Returns the options of each command, from the help in the snapshot of `texts`.
fn options() -> BTreeMap<String, BTreeSet<String>> {
    let help = read("tests/tests/snapshots/texts__help_has_an_example_for_each_command.snap");
    let parts = help.split("Usage: cofferdam ").skip(1);
    let parts = parts.map(|part| {
        let words =
            part.split_whitespace().take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
        let command = words.collect::<Vec<_>>().join(" ");
        let options = part.split(|character: char| !(character.is_alphanumeric() || character == '-'));
        (command, options.filter(|word| word.starts_with("--")).map(str::to_owned).collect())
    });
    parts.collect()
}

#[test]
fn commands_on_pages_have_the_options_that_are_shown() {
    let options = options();
    assert!(options.contains_key("dlq replay") && options.contains_key("run"), "{:?}", options.keys());
    let mut checked = 0;
    for (path, page) in pages() {
        let calls = page.lines().flat_map(|line| line.split("cofferdam ").skip(1));
        for call in calls.chain(page.lines().flat_map(|line| line.split("-- dev ").skip(1))) {
            let call = call.split(['#', '|', '`', '&', ';', '"']).next().unwrap_or_default();
            let words: Vec<&str> = call.split_whitespace().collect();
            let one = words.first().copied().unwrap_or_default().to_owned();
            let two = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            let Some(known) = options.get(&two).or_else(|| options.get(&one)) else { continue };
            for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let option = option.split('=').next().unwrap_or_default();
                assert!(known.contains(option), "{}: cofferdam {call}: {option}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked} options were found");
}
