//! The configuration: one TOML file, read once, checked completely.
//!
//! ```text
//! text ──► toml (with places) ──► read: typed values, ${VARIABLES}, unknown keys ──► sections ──► across: what must fit together
//! ```
//!
//! An invalid file yields all its problems, each with its place and a remedy; no partially checked configuration leaves this
//! module. All keys, with defaults and bounds: `host/docs/configuration.md`.

mod across;
mod brokers;
mod plugin;
mod problem;
mod read;
mod route;
mod sections;
mod topics;

use std::collections::BTreeMap;
use std::path::Path;

pub use crate::plan::{Kind, Name, Redrive, RouteConfig, Source};
pub use crate::private::Private;
pub use plugin::{Capabilities, Limits, Plugin, set_limits};
pub use problem::{Errors, Problem};
pub use sections::{Admin, Alerts, Kafka, KeyValue, Sandbox, Service, Sqs, Storage, Store};
pub use topics::{Tier, Topics};

use crate::dedupe;
use read::Reader;
pub use read::{duration, nearest};

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "cofferdam.toml";

/// Largest configuration file, in bytes.
pub const SIZE_LIMIT: u64 = 1 << 20;

/// A configuration in which every value is checked and every name resolves.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[service]`: the name of the service, and the limits of a stop.
    pub service: Service,
    /// The Kafka cluster; present if the configuration names a topic.
    pub kafka: Option<Kafka>,
    /// How missing topics are created.
    pub topics: Topics,
    /// SQS; present if the configuration names a queue.
    pub sqs: Option<Sqs>,
    /// Health, metrics, status page.
    pub admin: Admin,
    /// Thresholds of alerts.
    pub alerts: Alerts,
    /// The folder for the host's files.
    pub storage: Storage,
    /// The key-value store of all plugins.
    pub keyvalue: KeyValue,
    /// The event-id store of routes that suppress duplicates.
    pub dedupe: dedupe::Config,
    /// Upper bounds that the owner of the host sets for all plugins.
    pub sandbox: Sandbox,
    /// The plugins by name; at least one.
    pub plugins: BTreeMap<String, Plugin>,
    /// The routes in the order of the file; at least one, with unique names.
    pub routes: Vec<RouteConfig>,
    /// Settings that are allowed and probably unintended. Show them before the start.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads the file at `path`. `environment` returns the value of a variable; relative paths are relative to the file's
    /// folder.
    ///
    /// # Errors
    /// All problems of the file, or the reason why it cannot be read.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Errors> {
        let text = problem::read_file(path)?;
        Self::parse(&text, path, environment)
    }

    /// Parses `text` from the file `origin`: errors contain that name, and relative paths are relative to its folder. No
    /// file is opened.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse(text: &str, origin: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Errors> {
        let name = origin.display().to_string();
        let root = read::parse(&name, text)?;
        let reader = Reader::new(&name, text, environment);
        let config = Self::read(&reader, &root, origin.parent().unwrap_or(Path::new("")));
        let warnings = reader.finish()?;
        Ok(Self { warnings, ..config })
    }

    /// Reads everything that is readable, with defaults for the rest, so that all problems are found.
    fn read(reader: &Reader<'_>, root: &toml::de::DeTable<'_>, folder: &Path) -> Self {
        reader.root(root, |file| {
            let service = sections::service(file);
            let kafka = sections::kafka(file);
            let sandbox = sections::sandbox(file);
            let (plugins, places) = plugin::plugins(file, folder, &sandbox);
            let routes = route::routes(file, &service.name, kafka.as_ref());
            let storage = sections::storage(file, folder);
            let config = Self {
                topics: topics::topics(file),
                sqs: sections::sqs(file),
                admin: sections::admin(file),
                alerts: sections::alerts(file),
                keyvalue: sections::keyvalue(file),
                dedupe: sections::dedupe(file, &storage),
                routes: routes.iter().map(|read| read.route.clone()).collect(),
                warnings: Vec::new(),
                service,
                kafka,
                storage,
                sandbox,
                plugins,
            };
            across::check(file, &config, &places, &routes);
            config
        })
    }
}

#[cfg(test)]
mod tests;
