//! Sections about the host and its services.

mod dedupe;
mod kafka;
mod keyvalue;
mod sandbox;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::read::{Table, identifier};
pub use crate::broker::sqs::settings::Settings as Sqs;
pub(super) use dedupe::dedupe;
pub use kafka::Kafka;
pub(super) use kafka::kafka;
pub(super) use keyvalue::keyvalue;
pub use keyvalue::{KeyValue, Store};
pub use sandbox::Sandbox;
pub(super) use sandbox::sandbox;

/// `[service]`: the name of the service, and the limits of a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// 1 to 64 letters, digits, `-`, `_` and `.`; part of client ids, dead letters and spans.
    pub name: String,
    /// Maximum time of a stop for running attempts, 0 to 1 h; 30 s by default.
    pub drain_limit: Duration,
    /// Maximum time of a stop, after that, for broker answers, 100 ms to 10 min; 10 s by default.
    pub flush_limit: Duration,
}

/// `[admin]`: health, metrics, status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address to listen on, 127.0.0.1:9464 by default; `None`, written `""`: no admin server.
    pub listen: Option<SocketAddr>,
    /// Further allowed host names of requests, besides addresses, `localhost` and names that cannot exist on the internet.
    pub hosts: Vec<String>,
}

/// `[alerts]`: thresholds of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerts {
    /// Number of dead letters in one destination above which there is an alert; 100 by default.
    pub dead_letters: u64,
    /// Interval between two checks, 1 s to 1 h; 30 s by default.
    pub interval: Duration,
}

/// `[storage]`: the folder for the host's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The folder for compiled plugins, for the key-value store and for event ids on disk, created when needed; `.cofferdam`
    /// beside the configuration by default. Only one process can use it at a time.
    pub path: PathBuf,
}

impl Storage {
    /// The folder of compiled plugins. All commands share it, so a plugin is compiled once.
    pub fn compiled(&self) -> PathBuf {
        self.path.join("compiled")
    }
}

/// Keys that users expect here and that are set elsewhere.
const KEYS: [&str; 5] = ["access_key_id", "secret_access_key", "access_key", "secret_key", "session_token"];

pub(super) fn service(file: &Table<'_>) -> Service {
    let mut service =
        Service { name: String::new(), drain_limit: Duration::from_secs(30), flush_limit: Duration::from_secs(10) };
    let remedy = "write [service] and name = \"orders\" below it";
    let Some(section) = file.require("service", remedy) else { return service };
    section.table("[service]", |table| {
        let name = table.require("name", "name the service, for example name = \"orders\"");
        service.name = name.and_then(|name| name.name("orders", identifier)).unwrap_or_default();
        let limit = |key, least: Duration, most: u64| {
            table.get(key).and_then(|value| value.duration(least..=Duration::from_secs(most)))
        };
        service.drain_limit = limit("drain_limit", Duration::ZERO, 3_600).unwrap_or(service.drain_limit);
        service.flush_limit = limit("flush_limit", Duration::from_millis(100), 600).unwrap_or(service.flush_limit);
    });
    service
}

pub(super) fn sqs(file: &Table<'_>) -> Option<Sqs> {
    file.get("sqs")?.table("[sqs]", |table| {
        for key in KEYS {
            if let Some(given) = table.get_refused(key) {
                let remedy = "leave it out: the AWS SDK finds credentials in the environment, a profile or a role";
                given.refuse("credentials are not allowed in the configuration", remedy);
            }
        }
        let filled =
            |key, example| table.get(key).and_then(|value| value.text(example)).filter(|text| !text.is_empty());
        let region = filled("region", "eu-west-1");
        let endpoint = filled("endpoint", "http://127.0.0.1:9324");
        if let (Some(endpoint), Some(value)) = (&endpoint, table.get("endpoint"))
            && !is_endpoint(endpoint)
        {
            let remedy =
                "expected http:// or https://, a host and a port if needed, for example \"http://127.0.0.1:9324\"";
            value.problem(format!("invalid address {endpoint:?}"), remedy);
        }
        let create = table.get("create").and_then(|value| value.flag()).unwrap_or(false);
        Sqs { region, endpoint, create }
    })
}

fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    is_http
        && uri.authority().is_some_and(|authority| {
            let place = authority.as_str().rsplit('@').next().unwrap_or_default();
            !authority.host().is_empty()
                && (place == authority.host() || authority.port_u16().is_some_and(|port| port > 0))
        })
}

pub(super) fn admin(file: &Table<'_>) -> Admin {
    let default = SocketAddr::from(([127, 0, 0, 1], 9464));
    let mut admin = Admin { listen: Some(default), hosts: Vec::new() };
    if let Some(section) = file.get("admin") {
        section.table("[admin]", |table| {
            if let Some(value) = table.get("hosts") {
                for name in value.list("[\"metrics.example.com\"]").unwrap_or_default() {
                    admin.hosts.extend(name.full_text("metrics.example.com"));
                }
            }
            let Some(value) = table.get("listen") else { return };
            let Some(text) = value.text("127.0.0.1:9464") else { return };
            admin.listen = text.parse().ok();
            if admin.listen.is_none() && !text.is_empty() {
                let remedy =
                    "expected an address and a port, for example \"127.0.0.1:9464\", \"0.0.0.0:9464\" or \"[::1]:9464\", or \"\" for none";
                value.problem(format!("invalid address {text:?}"), remedy);
            }
        });
    }
    admin
}

pub(super) fn alerts(file: &Table<'_>) -> Alerts {
    let mut alerts = Alerts { dead_letters: 100, interval: Duration::from_secs(30) };
    if let Some(section) = file.get("alerts") {
        section.table("[alerts]", |table| {
            let most = table.get("dead_letters").and_then(|value| value.integer(0..=1_000_000_000));
            let range = Duration::from_secs(1)..=Duration::from_secs(3_600);
            let interval = table.get("interval").and_then(|value| value.duration(range));
            alerts = Alerts {
                dead_letters: most.unwrap_or(alerts.dead_letters),
                interval: interval.unwrap_or(alerts.interval),
            };
        });
    }
    alerts
}

pub(super) fn storage(file: &Table<'_>, folder: &Path) -> Storage {
    let mut storage = Storage { path: folder.join(".cofferdam") };
    if let Some(section) = file.get("storage") {
        section.table("[storage]", |table| {
            let path = table.get("path").and_then(|value| value.full_text("/var/lib/cofferdam"));
            storage.path = path.map_or(storage.path.clone(), |path| folder.join(path));
        });
    }
    storage
}
