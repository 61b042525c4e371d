//! `[keyvalue]`: the key-value store of plugins with that capability.

use std::time::Duration;

use super::super::read::Table;
use super::dedupe::{REDIS, address};
use crate::plugin::keyvalue::Quota;
use crate::server::Address;

/// `[keyvalue]`: the key-value store of plugins with that capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The kind of store.
    pub store: Store,
    /// Time limit of a call to a server, including the connection, 100 ms to 5 min; 5 s by default.
    pub timeout: Duration,
    /// The quotas of the store on disk: `max_bytes`, 1 MiB to 1 TiB, and `bucket_max_bytes`, 1 KiB to 1 TiB.
    pub quota: Quota,
}

/// The kinds of key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// On disk in the storage folder. This is the default, because counters of a handler must survive the process.
    Disk,
    /// In memory, lost at the end of the process.
    Memory,
    /// On a Redis server, shared by several hosts.
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
