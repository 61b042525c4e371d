//! `[keyvalue]`: the key-value store of the plugins that are granted one.

use std::time::Duration;

use super::super::read::Table;
use super::dedupe::{REDIS, address};
use crate::plugin::keyvalue::Quota;
use crate::server::Address;

/// `[keyvalue]`: the key-value store of the plugins that are granted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Where it is kept.
    pub store: Store,
    /// How long a server may take for a call, connecting included, 100 ms to 5 min; 5 s.
    pub timeout: Duration,
    /// How much the store on disk takes: `max_bytes`, 1 MiB to 1 TiB, and `bucket_max_bytes`, 1 KiB to 1 TiB.
    pub quota: Quota,
}

/// Where the key-value store is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In the storage folder. The default: a count that a handler keeps has to outlive the process.
    Disk,
    /// Gone with the process.
    Memory,
    /// On a Redis server, for several hosts.
    Redis(Address),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Disk,
    Memory,
    Redis,
}

const KINDS: [(&str, Kind); 3] = [("disk", Kind::Disk), ("memory", Kind::Memory), ("redis", Kind::Redis)];

pub(in super::super) fn keyvalue(file: &Table<'_>) -> KeyValue {
    let mut keyvalue = KeyValue { store: Store::Disk, timeout: Duration::from_secs(5), quota: Quota::default() };
    let Some(section) = file.get("keyvalue") else { return keyvalue };
    section.table("[keyvalue]", |table| {
        let kind = table.get("store").and_then(|value| value.choice(&KINDS)).unwrap_or(Kind::Disk);
        let url = table.get("url");
        if let (Some(url), Kind::Disk | Kind::Memory) = (&url, kind) {
            url.refuse("only store = \"redis\" has a url", "write store = \"redis\", or leave url out");
        }
        let size = |key, least, most: &mut u64| {
            *most = table.get(key).and_then(|value| value.size(least..=1 << 40)).unwrap_or(*most);
        };
        size("max_bytes", 1 << 20, &mut keyvalue.quota.store);
        size("bucket_max_bytes", 1 << 10, &mut keyvalue.quota.bucket);
        match kind {
            Kind::Disk => {}
            Kind::Memory => keyvalue.store = Store::Memory,
            Kind::Redis => {
                if let Some(address) = address(table, REDIS, Address::redis) {
                    keyvalue.store = Store::Redis(address);
                }
            }
        }
        let range = Duration::from_millis(100)..=Duration::from_secs(300);
        keyvalue.timeout = table.get("timeout").and_then(|value| value.duration(range)).unwrap_or(keyvalue.timeout);
    });
    keyvalue
}
