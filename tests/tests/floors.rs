//! The layers of the host ("floors"): a module imports only modules of lower floors, none of its own or a higher floor.
//! Within a module, files have no import circles.

#[path = "floors/imports.rs"]
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imports::{Crate, Module, circles};

/// Each top-level module of `host/src` and its floor. Modules of one floor do not import each other.
const FLOORS: &[(&str, u32)] = &[
    ("main", 7),
    ("cli", 7),
    ("run", 6),
    ("verify", 6),
    ("config", 5),
    ("flow", 5),
    ("broker", 4),
    ("transactions", 3),
    ("plan", 3),
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
    ("private", 0),
    ("storage", 0),
];

/// The floors inside a top-level module, for each of its folders and files. The module itself is above them.
const INNER_FLOORS: [(&str, &[(&str, u32)]); 1] = [(
    "plugin",
    &[
        ("run", 5),
        ("load", 4),
        ("contract", 3),
        ("host", 2),
        ("engine", 1),
        ("uncaught", 1),
        ("limits", 0),
        ("secrets", 0),
        ("symbols", 0),
    ],
)];

/// Known import circles of each crate: remove them, add none. A circle that no longer exists must be removed from the
/// list.
const CIRCLES: [(&str, &[&str]); 2] = [("host/src", &[]), ("host/core/src", &[])];

/// Imports only the core and libraries; only the command line imports it.
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

/// Returns the top-level module of a file.
fn top(path: &Path, source: &Path) -> String {
    let inside = path.strip_prefix(source).expect("inside");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Returns the top-level modules that a text names as `crate::x` or `crate::{x, ...}`.
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
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
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

/// Modules that a flow uses only through a trait.
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

/// Files outside of `broker/` and the configuration that name a broker in code, with the number of such lines. The list
/// must not grow: code asks for abilities.
const NAMES_A_BROKER: [(&str, usize); 0] = [];

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
        let named = lines_that_name_a_broker(text.split("\n#[cfg(test)]").next().unwrap_or_default());
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

/// Returns the code without comments and without the content of strings.
fn bare(text: &str) -> String {
    let (mut bare, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            let escaped =
                |at: usize| rest[..at].chars().rev().take_while(|character| *character == '\\').count() % 2 == 1;
            rest.match_indices('"').map(|(at, _)| at).skip(1).find(|at| !escaped(*at)).map_or(rest.len(), |at| at + 1)
        } else {
            bare.push(first);
            first.len_utf8()
        };
        if end > first.len_utf8() {
            bare.extend(rest[..end].chars().filter(|character| *character == '\n'));
        }
        rest = &rest[end..];
    }
    bare
}

/// Counts the lines that name a broker outside of comments and strings. A TLS library has the name of a broker's
/// company.
fn lines_that_name_a_broker(text: &str) -> usize {
    let code = bare(text).to_lowercase().replace("aws_lc_rs", "");
    code.lines().filter(|line| ["kafka", "sqs", "aws"].iter().any(|broker| line.contains(broker))).count()
}

#[test]
fn a_line_that_names_a_broker_would_be_seen() {
    assert_eq!(lines_that_name_a_broker("    if destination.broker == kafka::NAME {\n"), 1);
    assert_eq!(lines_that_name_a_broker("Source::Sqs { .. } => \"x\",\n'\"' => aws,"), 2);
    assert_eq!(lines_that_name_a_broker("    say(\"kafka \\\" \n sqs\"); // of sqs\nr#\"a \"aws\" \"#;aws_lc_rs"), 0);
}

/// Returns where a file inside the top-level module `within` imports one that is not on a lower floor.
fn inner_climbs(code: &Crate, within: &str, floors: &[(&str, u32)]) -> Vec<String> {
    let floors: BTreeMap<&str, u32> = floors.iter().copied().collect();
    let inner = |module: &Module| module.get(1).cloned().unwrap_or_default();
    let mut climbs = Vec::new();
    for (from, to) in code.edges() {
        let inside = |module: &Module| module.first().is_some_and(|top| top == within);
        if !inside(&from) || !inside(&to) || from.len() < 2 || inner(&from) == inner(&to) {
            continue;
        }
        let floor = |module: &Module| match floors.get(&*inner(module)) {
            Some(floor) => *floor,
            None if module.len() < 2 => u32::MAX,
            None => panic!("{} stands on no floor inside {within}: add it", module.join("::")),
        };
        if floor(&to) >= floor(&from) {
            climbs.push(format!("{} knows {}", from.join("::"), to.join("::")));
        }
    }
    climbs
}

#[test]
fn no_folder_inside_a_module_knows_what_is_beside_or_above_it() {
    let code = Crate::read(&root().join("host/src"));
    for (within, floors) in INNER_FLOORS {
        for (name, _) in floors {
            let path = root().join("host/src").join(within).join(name);
            assert!(path.is_dir() || path.with_extension("rs").exists(), "{within}/{name} is no longer there");
        }
        let climbs = inner_climbs(&code, within, floors);
        assert!(climbs.is_empty(), "{climbs:#?}");
    }
}

#[test]
fn files_form_no_import_circles_but_the_known_ones() {
    for (source, known) in CIRCLES {
        let edges = Crate::read(&root().join(source)).edges();
        assert!(edges.len() > 50, "the imports of {source} were found: {}", edges.len());
        let found: BTreeSet<String> = circles(&edges).iter().map(shown).collect();
        let known: BTreeSet<String> = known.iter().map(|circle| (*circle).to_owned()).collect();
        let new: Vec<_> = found.difference(&known).collect();
        assert!(new.is_empty(), "{source} has new import circles: {new:#?}");
        let mended: Vec<_> = known.difference(&found).collect();
        assert!(
            mended.is_empty(),
            "these circles of {source} are no longer there; take them off the list: {mended:#?}"
        );
    }
}

fn shown(circle: &BTreeSet<Module>) -> String {
    circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" <-> ")
}

/// Creates a crate of these files, by module.
fn files(files: &[(&str, &str)]) -> Crate {
    Crate::of(files.iter().map(|(module, text)| (module.split("::").map(str::to_owned).collect(), (*text).to_owned())))
}

/// Returns the code files that a page names: in backquotes, with a folder, without placeholders.
fn named_files(page: &str) -> Vec<&str> {
    let words = page.split('`').skip(1).step_by(2);
    words.filter(|word| word.ends_with(".rs") && word.contains('/') && !word.contains(['<', '*', ' ', '…'])).collect()
}

#[test]
fn each_file_of_code_that_a_page_names_is_there() {
    let mut files = rust_files(&root().join("host"));
    files.extend(rust_files(&root().join("tests")));
    files.extend(rust_files(&root().join("sdk")));
    let files: BTreeSet<PathBuf> =
        files.iter().map(|path| path.strip_prefix(root()).expect("below the root").to_owned()).collect();
    // `core/` stands for the folder of its sources, and a page may omit the first folders.
    let there = |name: &str| {
        let long = name.strip_prefix("core/").map(|rest| format!("core/src/{rest}"));
        files.iter().any(|file| file.ends_with(name) || long.as_ref().is_some_and(|long| file.ends_with(long)))
    };
    let mut pages = vec![root().join("CONTRIBUTING.md"), root().join("SECURITY.md"), root().join("tests/README.md")];
    for folder in ["host/docs", "host/docs/decisions"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder").flatten().map(|entry| entry.path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        let named = named_files(&text);
        seen += named.len();
        let missing: Vec<_> = named.into_iter().filter(|name| !there(name)).collect();
        assert!(missing.is_empty(), "{} names files that are not there: {missing:#?}", page.display());
    }
    assert!(seen > 200, "the files that pages name were found: {seen}");
}

#[test]
fn a_circle_would_be_seen_however_it_is_written() {
    let circle = |texts: &[(&str, &str)]| circles(&files(texts).edges()).iter().map(shown).collect::<Vec<_>>();
    let ticker = ("plugin::ticker", "use super::idle::{self, Warm as _};");
    for idle in [
        "use crate::{clock, plugin::{engine, ticker::Pulse}};",
        "fn tidy(pulse: &super::ticker::Pulse) {}",
        "mod inner { use super::super::ticker::*; }",
        "// What it passes on, it does not know.\nuse super::facade::Pulse;",
    ] {
        let facade = ("plugin::facade", "pub use super::ticker::Pulse;");
        assert_eq!(circle(&[ticker, facade, ("plugin::idle", idle)]), ["plugin::idle <-> plugin::ticker"], "{idle}");
    }
    for idle in [
        "/// As [`super::ticker`] says.\nconst WORDS: &str = \"\\\"use super::ticker;\"; pub(in crate::ticker) fn a() {}",
        "#[cfg(test)] mod tests { use super::super::ticker::Pulse; fn a() {} }",
        "use std::ticker::Pulse; use other::super_ticker;",
    ] {
        assert_eq!(circle(&[ticker, ("plugin::idle", idle)]), [""; 0], "{idle}");
    }
    // A file may be split into a folder, but no third file may lead from a part back to the whole.
    let whole = ("engine", "mod ticker; use ticker::Ticker; pub struct Engine;");
    let part = ("engine::ticker", "use super::Engine; use crate::idle::Idle;");
    assert_eq!(circle(&[whole, part, ("idle", "")]), [""; 0]);
    let third = ("idle", "use crate::engine::Engine;");
    assert_eq!(circle(&[whole, part, third]), ["engine <-> engine::ticker <-> idle"]);
}

#[test]
fn a_climb_inside_a_module_would_be_seen() {
    let floors = [("run", 1), ("host", 0), ("limits", 0)];
    let climbs = |text: &str| {
        let spec = ("plugin::host::spec", text);
        inner_climbs(
            &files(&[
                ("plugin", "pub use host::Spec; pub struct Plugin;"),
                spec,
                ("plugin::run", ""),
                ("plugin::limits", ""),
            ]),
            "plugin",
            &floors,
        )
    };
    assert_eq!(climbs("use crate::plugin::run::Engine;"), ["plugin::host::spec knows plugin::run"]);
    assert_eq!(climbs("use crate::plugin::limits::Limits;"), ["plugin::host::spec knows plugin::limits"]);
    assert_eq!(climbs("use crate::plugin::Plugin;"), ["plugin::host::spec knows plugin"]);
    assert_eq!(climbs("use crate::flow::Flow; use std::fmt;"), [""; 0]);
}
