//! The house has floors: a module knows what is below it, never what is beside or above it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each top module of `host/src` and its floor. Those of one floor do not know each other.
const FLOORS: [(&str, u32); 26] = [
    ("main", 7),
    ("cli", 7),
    ("run", 6),
    ("verify", 6),
    ("config", 5),
    ("flow", 5),
    ("broker", 4),
    ("transactions", 3),
    ("dead_letters", 3),
    ("source", 2),
    ("sink", 2),
    ("dedupe", 2),
    ("plugin", 2),
    ("telemetry", 2),
    ("admin", 2),
    ("journal", 2),
    ("clock", 1),
    ("signal", 1),
    ("exit", 1),
    ("server", 1),
    ("handler", 1),
    ("listener", 1),
    ("control", 1),
    ("stage", 1),
    ("escape", 0),
    ("storage", 0),
];

/// Knows only the core and libraries, and is known by the command line alone.
const ALONE: &str = "message_file";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The top module that a file belongs to.
fn top(path: &Path, source: &Path) -> String {
    let inside = path.strip_prefix(source).expect("inside");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The top modules that a text names as `crate::x` or `crate::{x, ...}`.
fn named(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut named = Vec::new();
    for line in code {
        for rest in line.split("crate::").skip(1) {
            let word = |text: &str| -> String {
                text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
            };
            match rest.strip_prefix('{') {
                Some(list) => named.extend(list.split(',').map(|item| word(item.trim()))),
                None => named.push(word(rest)),
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

#[test]
fn no_module_of_the_host_knows_what_is_beside_or_above_it() {
    let source = root().join("host/src");
    let floors: BTreeMap<&str, u32> = FLOORS.into_iter().collect();
    let mut seen = 0;
    let mut climbs = Vec::new();
    for path in rust_files(&source) {
        let from = top(&path, &source);
        if from == "lib" || from == ALONE {
            continue;
        }
        let floor = *floors.get(&*from).unwrap_or_else(|| panic!("host/src/{from} stands on no floor: add it"));
        for to in named(&std::fs::read_to_string(&path).expect("text")) {
            let Some(below) = floors.get(&*to) else { continue };
            seen += 1;
            if to != from && *below >= floor {
                climbs.push(format!("{}: {from} (floor {floor}) knows {to} (floor {below})", path.display()));
            }
        }
    }
    assert!(seen > 100, "the imports were found: {seen}");
    assert!(climbs.is_empty(), "{climbs:#?}");
}

/// What a flow does not know, because it has a trait for it.
const BEHIND_A_TRAIT: [&str; 4] = ["plugin", "telemetry", "journal", "broker"];

#[test]
fn a_flow_knows_brokers_handlers_and_listeners_by_their_traits_alone() {
    let source = root().join("host/src");
    let is_test = |path: &Path| path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
    let of_flow =
        |path: &PathBuf| top(path, &source) == "flow" && !is_test(path.strip_prefix(&source).expect("inside"));
    let files: Vec<PathBuf> = rust_files(&source).into_iter().filter(of_flow).collect();
    assert!(files.len() > 10, "the flow was found");
    for path in files {
        let named = named(&std::fs::read_to_string(&path).expect("text"));
        let known: Vec<_> = named.iter().filter(|name| BEHIND_A_TRAIT.contains(&name.as_str())).collect();
        assert!(known.is_empty(), "{} names {known:?}", path.display());
    }
}

#[test]
fn the_core_names_no_runtime_no_broker_and_no_sandbox() {
    let core = root().join("host/core/src");
    let mut files = rust_files(&core);
    files
        .retain(|path| !path.strip_prefix(&core).expect("inside").components().any(|part| part.as_os_str() == "tests"));
    assert!(files.len() > 20, "the core was found");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("text").to_lowercase();
        for word in
            ["tokio", "rdkafka", "aws", "wasmtime", "std::thread", "std::net", "std::fs", "systemtime", "instant::now"]
        {
            let named = text.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert!(named.is_none(), "{} names {word}: {named:?}", path.display());
        }
    }
}

#[test]
fn a_climb_would_be_seen() {
    assert_eq!(
        named("use crate::flow::Flow;\n// crate::cli\nlet x = crate::{aws, kafka::topics};"),
        ["flow", "aws", "kafka"]
    );
}

/// The configuration has keys for each broker, so it names them.
const WIRING: &str = "config";

/// Files outside `broker/` and the configuration that name a broker in code, with the number of such lines. The list may only
/// get shorter: code asks for abilities.
const NAMES_A_BROKER: [(&str, usize); 32] = [
    ("admin.rs", 3),
    ("admin/pages.rs", 22),
    ("admin/probe.rs", 4),
    ("cli/dev/brokers.rs", 15),
    ("cli/dev/input.rs", 8),
    ("cli/dlq.rs", 6),
    ("cli/dlq/place.rs", 7),
    ("cli/verify.rs", 4),
    ("cli/verify/show.rs", 1),
    ("run/brokers.rs", 85),
    ("run/conditions.rs", 10),
    ("run/conditions/rights.rs", 4),
    ("run/findings.rs", 11),
    ("run/health.rs", 13),
    ("run/queues.rs", 5),
    ("run/redrive.rs", 1),
    ("run/reload/restart.rs", 2),
    ("server/tls.rs", 1),
    ("telemetry/context.rs", 4),
    ("verify.rs", 3),
    ("verify/faults.rs", 3),
    ("verify/hosts/configuration.rs", 10),
    ("verify/judgement.rs", 8),
    ("verify/kafka.rs", 18),
    ("verify/network.rs", 17),
    ("verify/network/door.rs", 3),
    ("verify/report.rs", 2),
    ("verify/run.rs", 18),
    ("verify/sqs.rs", 4),
    ("verify/stage.rs", 19),
    ("verify/workload.rs", 8),
    ("verify/writer.rs", 14),
];

#[test]
fn brokers_are_named_in_their_folders_in_the_configuration_and_where_the_list_says() {
    let source = root().join("host/src");
    let is_test = |path: &Path| path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
    let mut found: Vec<(String, usize)> = Vec::new();
    for path in rust_files(&source) {
        let inside = path.strip_prefix(&source).expect("inside");
        if ["broker", WIRING].contains(&top(&path, &source).as_str()) || is_test(inside) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let named = lines.filter(|line| names_a_broker(line)).count();
        if named > 0 {
            found.push((inside.to_string_lossy().into_owned(), named));
        }
    }
    found.sort();
    let listed: Vec<(String, usize)> =
        NAMES_A_BROKER.iter().map(|(file, lines)| ((*file).to_owned(), *lines)).collect();
    assert_eq!(
        found,
        listed,
        "lines of code that name a broker: {}",
        found.iter().map(|(_, lines)| lines).sum::<usize>()
    );
}

/// Whether a line names a broker outside comments and strings.
fn names_a_broker(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let code: String = code.split('"').step_by(2).collect::<String>().to_lowercase();
    ["kafka", "sqs", "aws"].iter().any(|broker| code.contains(broker))
}

#[test]
fn a_line_that_names_a_broker_would_be_seen() {
    assert!(names_a_broker("    if destination.broker == kafka::NAME {"));
    assert!(names_a_broker("Source::Sqs { .. } => \"x\","));
    assert!(!names_a_broker("    say(\"kafka\"); // of sqs"));
}
