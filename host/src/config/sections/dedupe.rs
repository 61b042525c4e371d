//! `[dedupe]`: the event-id store of routes that suppress duplicates.

use std::time::Duration;

use super::super::read::{Table, Value};
use super::Storage;
use crate::dedupe::{Address, CAPACITY, Config, Place, TIMEOUT, WINDOW};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Disk,
    Memory,
    Redis,
    Postgres,
}

const KINDS: [(&str, Kind); 4] =
    [("disk", Kind::Disk), ("memory", Kind::Memory), ("redis", Kind::Redis), ("postgres", Kind::Postgres)];

pub(super) const REDIS: &str = "redis://127.0.0.1:6379";
const POSTGRES: &str = "postgresql://cofferdam@127.0.0.1:5432/cofferdam";

pub(in super::super) fn dedupe(file: &Table<'_>, storage: &Storage) -> Config {
    let disk = || Place::Disk { path: storage.path.join("dedupe.redb") };
    let mut config = Config { place: disk(), window: WINDOW, timeout: TIMEOUT };
    let Some(section) = file.get("dedupe") else { return config };
    section.table("[dedupe]", |table| {
        let kind = table.get("store").and_then(|value| value.choice(&KINDS)).unwrap_or(Kind::Disk);
        let capacity = table.get("capacity").and_then(|value| value.integer(1..=1_000_000_000));
        let url = table.get("url");
        config.place = match kind {
            Kind::Redis => address(table, REDIS, Address::redis).map(|address| Place::Redis { address }),
            Kind::Postgres => address(table, POSTGRES, Address::postgres).map(|address| Place::Postgres { address }),
            Kind::Disk | Kind::Memory => {
                if let Some(url) = &url {
                    let remedy = "write store = \"redis\" or store = \"postgres\", or leave url out";
                    url.refuse("only store = \"redis\" and store = \"postgres\" have a url", remedy);
                }
                (kind == Kind::Memory).then_some(Place::Memory { capacity: capacity.unwrap_or(CAPACITY) })
            }
        }
        .unwrap_or_else(disk);
        let duration = |key, least: Duration, most: u64| {
            table.get(key).and_then(|value| value.duration(least..=Duration::from_secs(most)))
        };
        config.window = duration("window", Duration::from_secs(1), 365 * 86_400).unwrap_or(config.window);
        config.timeout = duration("timeout", Duration::from_millis(100), 300).unwrap_or(config.timeout);
    });
    config
}

/// Reads the url of a server. A problem does not show the url, because it may contain a password.
pub(super) fn address(
    table: &Table<'_>,
    example: &str,
    read: fn(&str) -> Result<Address, &'static str>,
) -> Option<Address> {
    let url: Value<'_> = table.require("url", format!("write for example url = {example:?}"))?;
    match read(&url.full_text(example)?) {
        Ok(address) => Some(address),
        Err(remedy) => {
            url.problem("invalid url", remedy);
            None
        }
    }
}
