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

/// How long an id is known, where nothing else is said.
pub const WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// How long a server may take for an answer, where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// How many ids a store in memory holds, where nothing else is said.
pub const CAPACITY: usize = 1_000_000;

/// Where ids are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where.
    pub place: Place,
    /// How long an id is known, from when it was recorded last.
    pub window: Duration,
    /// How long a server may take for one call, connecting included; memory and disk do not ask.
    pub timeout: Duration,
}

/// Where ids are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Gone with the process.
    Memory {
        /// How many ids, at least one; the oldest go first. One takes some 80 bytes.
        capacity: usize,
    },
    /// In this file, of one process at a time; its folder is made where it is missing.
    Disk {
        /// The file.
        path: PathBuf,
    },
    /// A Redis server, for several hosts. What survives a crash of that server is its own setting (`appendonly`); what
    /// does not is handled twice.
    Redis {
        /// From [`Address::redis`].
        address: Address,
    },
    /// A PostgreSQL server, for several hosts: the table `cofferdam_seen`, made where it is missing.
    Postgres {
        /// From [`Address::postgres`].
        address: Address,
    },
}

/// Which ids were handled; a clone is the same store.
#[derive(Clone)]
pub struct Store(Arc<Backend>);

enum Backend {
    Memory(memory::Memory),
    Disk(disk::Disk),
    Redis(Box<redis::Redis>),
    Postgres(Box<postgres::Postgres>),
}

impl Store {
    /// Opens the store; files and tables are made where they are missing.
    ///
    /// # Errors
    /// When it cannot be reached now, or does not allow what is needed.
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

    /// Which of these ids, in this order, were recorded in this scope within the window. One round trip for all.
    /// Ids of different scopes do not meet; two services that share a store need scopes of different names.
    ///
    /// # Errors
    /// As the variants of [`Error`] say.
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

    /// Records these ids in this scope and returns when the store keeps them as well as it can: on disk and in
    /// PostgreSQL that is a committed transaction. Recording one twice is no error, its window begins anew. After an
    /// error any of them may be recorded or not.
    ///
    /// # Errors
    /// As the variants of [`Error`] say.
    pub async fn record(&self, scope: &str, ids: &[Box<str>]) -> Result<(), Error> {
        let mut keys = Key::of_all(scope, ids);
        // Each once and in one order, so that two writers of the same ids cannot wait for each other.
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
