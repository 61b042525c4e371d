//! Stores of handled event ids: in memory, in a file, in Redis, in PostgreSQL.
//!
//! A message is looked up before it is handled and recorded when its effects are durable, in this order: a crash
//! between the two repeats a message and never loses one. An unreachable store yields [`Error::Unavailable`], never
//! "not seen", and reconnects by itself.
//!
//! A store keeps digests of scope and id, so ids may have any length and any character. It keeps them for the window since
//! the last recording, and removes older ones gradually while recording others.

mod disk;
mod key;
mod memory;
mod postgres;
mod redis;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::server::{Address, Error};
use key::Key;

/// Default time for which an id is known.
pub const WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// Default maximum time for an answer of a server.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// Default maximum number of ids in memory.
pub const CAPACITY: usize = 1_000_000;

/// The kind of store, its window and its timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The kind of store.
    pub place: Place,
    /// The time for which an id is known after it was last recorded.
    pub window: Duration,
    /// Maximum time for one call of a server, connecting included; memory and disk do not use it.
    pub timeout: Duration,
}

/// The kinds of store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory, lost at the end of the process.
    Memory {
        /// Maximum number of ids, at least one; the oldest are dropped first. One id takes about 80 bytes.
        capacity: usize,
    },
    /// In this file, used by one process at a time. A missing folder is created.
    Disk {
        /// The file.
        path: PathBuf,
    },
    /// A Redis server, shared by several hosts. Its own settings (`appendonly`) determine what survives a crash of the
    /// server; events whose ids are lost are handled again.
    Redis {
        /// The server, from [`Address::redis`].
        address: Address,
    },
    /// A PostgreSQL server, shared by several hosts. It has the table `cofferdam_seen`, which is created if missing.
    Postgres {
        /// The server, from [`Address::postgres`].
        address: Address,
    },
}

/// The event-id store. A clone is the same store.
#[derive(Clone)]
pub struct Store(Arc<Backend>);

enum Backend {
    Memory(memory::Memory),
    Disk(disk::Disk),
    Redis(Box<redis::Redis>),
    Postgres(Box<postgres::Postgres>),
}

impl Store {
    /// Opens the store, and creates missing files and tables.
    ///
    /// # Errors
    /// The store cannot be reached, or does not allow what is needed.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let Config { place, window, timeout } = config;
        let backend = match place {
            Place::Memory { capacity } => Backend::Memory(memory::Memory::new(capacity, window)),
            Place::Disk { path } => Backend::Disk(disk::Disk::open(path, window).await?),
            Place::Redis { address } => Backend::Redis(Box::new(redis::Redis::open(&address, window, timeout).await?)),
            Place::Postgres { address } => {
                Backend::Postgres(Box::new(postgres::Postgres::open(&address, window, timeout).await?))
            }
        };
        Ok(Self(Arc::new(backend)))
    }

    /// Returns for each of these ids whether it was recorded in this scope within the window, in one round trip. Ids of
    /// different scopes are independent; two services that share a store need scopes with different names.
    ///
    /// # Errors
    /// See the variants of [`Error`].
    pub async fn seen(&self, scope: &str, ids: &[Box<str>]) -> Result<Vec<bool>, Error> {
        let keys = Key::of_all(scope, ids);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        match &*self.0 {
            Backend::Memory(memory) => Ok(memory.seen(&keys)),
            Backend::Disk(disk) => disk.seen(keys).await,
            Backend::Redis(redis) => redis.seen(&keys).await,
            Backend::Postgres(postgres) => postgres.seen(&keys).await,
        }
    }

    /// Records these ids in this scope. Returns when the store has stored them as durably as it can: on disk and in
    /// PostgreSQL in a committed transaction. Recording an id again starts its window again. After an error it is unknown
    /// which ids were recorded.
    ///
    /// # Errors
    /// See the variants of [`Error`].
    pub async fn record(&self, scope: &str, ids: &[Box<str>]) -> Result<(), Error> {
        let mut keys = Key::of_all(scope, ids);
        // Sorted and without repeats, so that two writers of the same ids cannot deadlock.
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(());
        }
        match &*self.0 {
            Backend::Memory(memory) => {
                memory.record(&keys);
                Ok(())
            }
            Backend::Disk(disk) => disk.record(keys).await,
            Backend::Redis(redis) => redis.record(&keys).await,
            Backend::Postgres(postgres) => postgres.record(&keys).await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*self.0 {
            Backend::Memory(_) => "memory",
            Backend::Disk(_) => "disk",
            Backend::Redis(_) => "redis",
            Backend::Postgres(_) => "postgres",
        };
        f.debug_tuple("Store").field(&kind).finish()
    }
}
