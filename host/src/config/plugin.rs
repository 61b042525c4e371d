//! `[plugins.NAME]`: a component, its limits, its configuration and its capabilities.

mod capabilities;
mod limits;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problem::Errors;
use super::read::{self, At, Reader, Table, identifier};
use super::{Private, Sandbox};
use crate::plugin::{Batch, Secrets};
pub use capabilities::Capabilities;
pub use limits::Limits;
pub(super) use limits::limits;

/// `[plugins.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// The file of the component; relative to the configuration's folder.
    pub path: PathBuf,
    /// The build command for `dev`; it runs in the configuration's folder.
    pub build: Option<String>,
    /// The sources for `dev`, which builds again after a change: folders and files; the configuration's folder by default.
    pub sources: Vec<PathBuf>,
    /// Whether `run` reloads the plugin as soon as its file changes, and not only after SIGHUP.
    pub watch: bool,
    /// Configuration values that the plugin can read by name. They may contain secrets.
    pub config: Private,
    /// Secrets that the plugin can read by name. They are redacted in its logs and failures.
    pub secrets: Secrets,
    /// The limits of one attempt.
    pub limits: Limits,
    /// The number of messages that an instance handles before it is replaced, 1 to 1,000,000; 256 by default. With 1,
    /// each message gets a new instance.
    pub reuse: u32,
    /// The maximum age of an instance that may still get a message, 1 s to 30 days; `None` means unlimited.
    pub max_age: Option<Duration>,
    /// The bounds of a call with several messages: 1 to 64 messages, 64 by default; 1 KiB to 64 MiB, 1 MiB by default.
    pub batch: Batch,
    /// The granted capabilities.
    pub capabilities: Capabilities,
}

/// The places of the plugins in the file, by name.
pub(super) type Places = BTreeMap<String, At>;

pub(super) fn plugins(file: &Table<'_>, folder: &Path, sandbox: &Sandbox) -> (BTreeMap<String, Plugin>, Places) {
    let (mut plugins, mut places) = (BTreeMap::new(), Places::new());
    let example = "write [plugins.price] and path = \"price.wasm\" below it";
    let Some(section) = file.require("plugins", example) else { return (plugins, places) };
    section.table("[plugins.price]", |table| {
        for (name, value) in table.entries() {
            if let Err(rule) = identifier(name) {
                value.refuse(format!("invalid plugin name {name:?}"), rule);
            }
            places.insert(name.to_owned(), value.at().clone());
            if let Some(plugin) = value.table("[plugins.price]", |table| plugin(table, folder, sandbox)) {
                plugins.insert(name.to_owned(), plugin);
            }
        }
        if places.is_empty() {
            section.problem("no plugin is configured", example);
        }
    });
    (plugins, places)
}

fn plugin(table: &Table<'_>, folder: &Path, sandbox: &Sandbox) -> Plugin {
    let path = table.require("path", "name the component, for example path = \"price.wasm\"");
    let path = path.and_then(|path| path.full_text("price.wasm"));
    let config = table.get("config").and_then(|config| config.table("{ currency = \"EUR\" }", own_values));
    let most = &sandbox.limits;
    let limits = table
        .get("limits")
        .and_then(|value| value.table("{ memory = \"64MiB\" }", |table| limits::limits_within(table, most)));
    let instances = table.get("instances").and_then(|instances| {
        instances.table("{ reuse = 256, max_age = \"10m\" }", |table| {
            let longest = Duration::from_secs(30 * 86_400);
            let max_age = table.get("max_age").and_then(|value| value.duration(Duration::from_secs(1)..=longest));
            (table.get("reuse").and_then(|value| value.integer(1..=1_000_000)), max_age)
        })
    });
    let (reuse, max_age) = instances.unwrap_or_default();
    let batch = table.get("batch").and_then(|batch| batch.table("{ messages = 64, bytes = \"1MiB\" }", batch_bounds));
    let here = if folder == Path::new("") { PathBuf::from(".") } else { folder.to_owned() };
    let sources = table.get("sources").and_then(|value| {
        let list = value.list("[\"src\"]")?;
        Some(list.iter().filter_map(|source| Some(folder.join(source.full_text("src")?))).collect())
    });
    let config = config.unwrap_or_default();
    let secrets = table.get("secrets").map(|secrets| secrets::secrets(&secrets, &config, folder));
    Plugin {
        path: folder.join(path.unwrap_or_default()),
        build: table.get("build").and_then(|build| build.full_text("cargo build --target wasm32-wasip2")),
        sources: sources.unwrap_or_else(|| vec![here.clone()]),
        watch: table.get("watch").and_then(|value| value.flag()).unwrap_or(false),
        config: Private(config),
        secrets: secrets.unwrap_or_default(),
        limits: limits.unwrap_or_else(|| limits::default_within(most)),
        reuse: reuse.unwrap_or(256),
        max_age,
        batch: batch.unwrap_or_default(),
        capabilities: table.get("capabilities").map(|granted| capabilities::capabilities(&granted)).unwrap_or_default(),
    }
}

/// Sets single limits, written as in the file: `memory=64MiB`.
///
/// # Errors
/// All problems of the settings.
pub fn set_limits(limits: &Limits, settings: &[String]) -> Result<Limits, Errors> {
    const ORIGIN: &str = "--limit";
    let lines = settings.iter().map(|setting| match setting.split_once('=') {
        Some((name, value)) if value.bytes().any(|byte| !byte.is_ascii_digit()) => format!("{name} = {value:?}\n"),
        _ => format!("{setting}\n"),
    });
    let text: String = lines.collect();
    let root = read::parse(ORIGIN, &text)?;
    let reader = Reader::new(ORIGIN, &text, &|_| None);
    let limits = reader.root(&root, |table| limits::limits(table, limits.clone()));
    reader.finish()?;
    Ok(limits)
}

fn batch_bounds(table: &Table<'_>) -> Batch {
    let default = Batch::default();
    let bytes = table.get("bytes").and_then(|value| value.size(1 << 10..=64 << 20));
    Batch {
        messages: table.get("messages").and_then(|value| value.integer(1..=64)).unwrap_or(default.messages),
        bytes: bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(default.bytes),
    }
}

fn own_values(table: &Table<'_>) -> BTreeMap<String, String> {
    table.entries().filter_map(|(name, value)| Some((name.to_owned(), value.scalar()?))).collect()
}
