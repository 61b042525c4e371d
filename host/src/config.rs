//! The configuration: one TOML file, read once, checked completely.
//!
//! ```text
//! text ──► toml (with places) ──► read: typed values, ${VARIABLES}, unknown keys ──► sections ──► across: what must fit together
//! ```
//!
//! An invalid file yields all its problems, each with its place and a remedy; no partially checked configuration leaves this
//! module. All keys, with defaults and bounds: `host/docs/configuration.md`.

mod across;
mod plugin;
mod private;
mod problem;
mod read;
mod route;
mod sections;
mod topics;

use std::collections::BTreeMap;
use std::path::Path;

pub use plugin::{Capabilities, Limits, Plugin, set_limits};
pub use private::Private;
pub use problem::{Errors, Problem};
pub use route::{Name, Redrive, RouteConfig, Source};
pub use sections::{Admin, Alerts, Kafka, KeyValue, Sandbox, Service, Sqs, Storage, Store};
pub use topics::{Kind, Tier, Topics};

use crate::dedupe;
use read::Reader;
pub use read::{duration, nearest};

/// The file that is read where none is named.
pub const DEFAULT_FILE: &str = "cofferdam.toml";

/// Largest configuration file, in bytes.
pub const SIZE_LIMIT: u64 = 1 << 20;

/// A configuration in which every value is checked and every name resolves.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Who this is, and how it stops.
    pub service: Service,
    /// The Kafka cluster; there wherever a topic is named.
    pub kafka: Option<Kafka>,
    /// What to do about topics that are not there.
    pub topics: Topics,
    /// SQS; there wherever a queue is named.
    pub sqs: Option<Sqs>,
    /// Health, metrics, status page.
    pub admin: Admin,
    /// What people are told without asking.
    pub alerts: Alerts,
    /// Where the host keeps files.
    pub storage: Storage,
    /// The key-value store of all plugins.
    pub keyvalue: KeyValue,
    /// Where routes that suppress duplicates keep the ids of handled events.
    pub dedupe: dedupe::Config,
    /// What the owner of the host lets plugins have.
    pub sandbox: Sandbox,
    /// By name; at least one.
    pub plugins: BTreeMap<String, Plugin>,
    /// In the order of the file; at least one, names are unique.
    pub routes: Vec<RouteConfig>,
    /// What is allowed and probably not meant; to be shown before the start.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads the file at `path`. `environment` gives the value of a variable; relative paths are of the file's folder.
    ///
    /// # Errors
    /// All that is wrong with the file, or why it cannot be read.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Errors> {
        let text = problem::read_file(path)?;
        Self::parse(&text, path, environment)
    }

    /// Reads `text`, which came from the file `origin`: that name stands in errors, and relative paths are of its
    /// folder. Nothing is opened.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn parse(text: &str, origin: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Errors> {
        let name = origin.display().to_string();
        let root = read::parse(&name, text)?;
        let reader = Reader::new(&name, text, environment);
        let config = Self::read(&reader, &root, origin.parent().unwrap_or(Path::new("")));
        let warnings = reader.finish()?;
        Ok(Self { warnings, ..config })
    }

    /// Everything that can be read is, with defaults in place of what cannot, so that all problems are found.
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
