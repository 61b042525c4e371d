//! Malicious handlers: components from the folder `hostile`, and the expected outcome of each.
//!
//! The table is `hostile/expected.txt`. A row names a file in `hostile/guests`, a file that is generated here because
//! it is too large or too irregular to write by hand, or an action of the guest `hostile`.

mod made;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cofferdam::plugin::Limits;
use cofferdam_core::envelope::Wrapping;
use cofferdam_core::message::{Message, Position, Record};
use cofferdam_core::outcome::Outcome;
use cofferdam_core::output::Output;
use cofferdam_core::route::{OutputRule, Route};
use cofferdam_core::time::Time;
use cofferdam_guarantees::simulation;

/// One malicious handler.
pub struct Hostile {
    /// The name in the table.
    pub name: String,
    /// The expected outcome, or `refused` if it must not load.
    pub outcome: String,
    /// The expected code, or the name of the refusal; `-` for none.
    pub code: String,
    /// The component, or bytes that claim to be one.
    pub bytes: Vec<u8>,
    /// The payload of the message.
    pub payload: String,
    /// Whether the handler has the key-value capability.
    pub keyvalue: bool,
    /// The limits of one attempt.
    pub limits: Limits,
    /// The largest use of host resources for loading it and handling one message.
    pub most: Use,
}

/// The use of host resources.
#[derive(Clone)]
pub struct Use {
    /// The CPU time of the process.
    pub cpu: Duration,
    /// The largest growth of the memory of the process, in bytes.
    pub memory: u64,
    /// Bytes on disk, for compiled and stored data.
    pub disk: u64,
}

/// The default bounds of the table, for a build without optimisation.
const MOST: Use = Use { cpu: Duration::from_secs(5), memory: 48 << 20, disk: 1 << 20 };

/// The limits of all malicious handlers. They are small, so that a handler soon exceeds them. `wall_time` is far more
/// than `cpu_time`, so that on a busy machine a loop exceeds the CPU limit first.
pub fn limits() -> Limits {
    Limits {
        memory: 16 << 20,
        wall_time: Duration::from_secs(1),
        cpu_time: Duration::from_millis(20),
        outputs: 100,
        output_bytes: 1 << 20,
        table_elements: 10_000,
        host_calls: 250,
        log_lines: 100,
        log_bytes: 64 << 10,
        ..Limits::default()
    }
}

/// Returns all handlers, in the order of the table.
///
/// # Panics
/// A row has no component, or a file has no row.
pub fn corpus() -> Vec<Hostile> {
    let table = std::fs::read_to_string(folder().join("expected.txt")).expect("the table of hostile handlers");
    let rows = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let corpus: Vec<_> = rows.map(row).collect();
    for entry in std::fs::read_dir(folder().join("guests")).expect("the folder of hostile handlers").flatten() {
        let stem = entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
        assert!(corpus.iter().any(|row| Some(&row.name) == stem.as_ref()), "no row for {}", entry.path().display());
    }
    corpus
}

fn row(line: &str) -> Hostile {
    let words: Vec<_> = line.split_whitespace().collect();
    let [name, outcome, code, bounds @ ..] = &words[..] else {
        panic!("a row is a name, an outcome, a code and perhaps bounds, not {line:?}")
    };
    let mut most = MOST;
    for bound in bounds {
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{bound:?} has no number: {line:?}"));
        match (bound.strip_suffix("ms"), bound.strip_suffix("MiB-memory"), bound.strip_suffix("MiB-disk")) {
            (Some(time), ..) => most.cpu = Duration::from_millis(number(time)),
            (_, Some(memory), _) => most.memory = number(memory) << 20,
            (.., Some(disk)) => most.disk = number(disk) << 20,
            _ => panic!("a bound is like 500ms, 64MiB-memory or 4MiB-disk, not {bound:?}"),
        }
    }
    let path = folder().join("guests").join(format!("{name}.wat"));
    let mut hostile = Hostile {
        name: (*name).into(),
        outcome: (*outcome).into(),
        code: (*code).into(),
        bytes: Vec::new(),
        payload: String::new(),
        keyvalue: false,
        limits: limits(),
        most,
    };
    if *code != "CPU_LIMIT" {
        // The work of the host for a handler counts towards its CPU time, and without optimisation on a busy machine
        // that is much.
        hostile.limits.cpu_time *= 10;
    }
    if let Some(what) = name.strip_prefix("rust-") {
        hostile.bytes = std::fs::read(crate::guest("hostile")).expect("it was just built");
        hostile.payload = what.into();
    } else if path.exists() {
        text::Source::read(&path).fill(&mut hostile);
    } else if let Some(items) = made::items(name) {
        text::Source::of(&items, "(unreachable)").fill(&mut hostile);
    } else {
        hostile.bytes = made::made(name).unwrap_or_else(|| panic!("nothing makes {name}, and there is no {path:?}"));
    }
    hostile
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile")
}

/// Resolves the outputs of a malicious handler. Its route has one output, `out`.
pub fn resolve(message: &Message, outputs: Vec<Output>) -> Outcome<()> {
    let rule = OutputRule {
        destination: cofferdam::broker::kafka::topic("out"),
        wrapping: Wrapping::Raw,
        key: None,
        group: None,
        deduplication: None,
        max_bytes: 960 << 10,
    };
    let route = Route { outputs: [("out".into(), rule)].into(), ..simulation::route() };
    match route.resolve(message, &route.trace(message), outputs, Time::default()) {
        Ok(_) => Outcome::Done(()),
        Err(failure) => failure.into(),
    }
}

/// Returns a message with this payload.
pub fn message(payload: &str) -> Message {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: Some("key".into()),
        headers: Default::default(),
        payload: Some(payload.to_owned().into()),
        timestamp_ms: Some(1_700_000_000_000),
    };
    Message { id: "message-1".into(), ..Arc::new(record).into() }
}
