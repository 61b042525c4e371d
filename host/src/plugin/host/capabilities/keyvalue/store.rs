//! Values that outlive an instance: in memory, in one file of the host, or on a Redis server for several hosts.
//!
//! A store has buckets, which do not see each other; a plugin is granted one of them by name. A write has happened,
//! and lasts, when its call returns. Writes are no part of an attempt's outcome: they stay when the attempt fails.

mod disk;
mod memory;
mod redis;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::server::{self, Address};
pub use crate::storage::Error as OpenError;

/// The longest key, bytes.
pub const KEY: usize = 1 << 10;
/// The largest value, bytes.
pub const VALUE: usize = 1 << 20;
/// The most keys on one page of a list.
pub const PAGE: usize = 256;

/// What an entry counts for beside its bucket's name, its key and its value, bytes.
const ENTRY: u64 = 64;

/// What a store in memory takes, bytes.
const IN_MEMORY: u64 = 256 << 20;

/// How much may be kept on disk or in memory, bytes: names of buckets, keys and values, and 64 for each entry. A file may take
/// twice as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// In all buckets together.
    pub store: u64,
    /// In one bucket, whoever has written it.
    pub bucket: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { store: 1 << 30, bucket: 256 << 20 }
    }
}

/// Where values are kept; a clone is the same store.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    quota: Quota,
}

#[derive(Clone)]
enum Backend {
    Memory(Arc<memory::Memory>),
    Disk(Arc<disk::Disk>),
    Redis(Arc<redis::Redis>),
}

/// A collection of keys and values that a plugin was granted; a clone is the same collection.
#[derive(Clone)]
pub struct Bucket {
    store: Store,
    name: Arc<str>,
    /// How much it may have after a write.
    most: u64,
}

/// Why a call of a key-value store did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is longer than [`KEY`].
    #[error("key of {0} bytes exceeds the limit of {KEY}")]
    KeyTooLong(usize),
    /// The value is larger than [`VALUE`].
    #[error("value of {0} bytes exceeds the limit of {VALUE}")]
    ValueTooLarge(usize),
    /// What stands there is no decimal number of 64 bits.
    #[error("the value is not a number")]
    NoNumber,
    /// The sum does not fit into 64 bits.
    #[error("the sum exceeds 64 bits")]
    Overflow,
    /// The store, or the bucket, has reached its quota.
    #[error("the {what} is full: {bytes} bytes with this value exceed the quota of {limit}")]
    Full {
        /// `store` or `bucket`.
        what: &'static str,
        /// How much it would have.
        bytes: u64,
        /// How much it may have.
        limit: u64,
    },
    /// The file cannot be read or written, the server is away or refuses. What was to be written may be written or not.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}

/// One page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in order.
    pub keys: Vec<String>,
    /// Where the next page begins; none after the last.
    pub cursor: Option<String>,
}

impl Store {
    /// A store that lasts as long as the process, of at most 256 MiB.
    pub fn in_memory() -> Self {
        Self::new(Backend::Memory(Arc::default()), Quota { store: IN_MEMORY, bucket: IN_MEMORY })
    }

    /// A store in the file `path`, which is made where there is none, its folder too. Blocks while it is opened.
    ///
    /// # Errors
    /// Where the file cannot be opened, is no store, or is open in another process.
    pub fn open(path: &Path, quota: Quota) -> Result<Self, OpenError> {
        Ok(Self::new(Backend::Disk(Arc::new(disk::Disk::open(path)?)), quota))
    }

    fn new(backend: Backend, quota: Quota) -> Self {
        Self { backend, quota }
    }

    /// A store on the Redis server at `address`, which may take as long as `timeout` for a call; stores of one `prefix`
    /// share their buckets. How much is kept is for that server to say (`maxmemory`). The runtime that this is called on does the input and output.
    ///
    /// # Errors
    /// Where the server cannot be reached now, or refuses.
    pub async fn redis(address: &Address, timeout: Duration, prefix: &str) -> Result<Self, server::Error> {
        let server = server::Redis::open(address, timeout).await?;
        Ok(Self::new(Backend::Redis(Arc::new(redis::Redis::new(server, prefix))), Quota::default()))
    }

    /// The bucket called `name`.
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket { store: self.clone(), name: name.into(), most: self.quota.bucket }
    }
}

impl Bucket {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same for somebody who may not let it grow over `most` bytes.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        Self { most: most.min(self.most), ..self }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match &self.store.backend {
            Backend::Memory(memory) => Ok(memory.get(&self.name, key)),
            Backend::Disk(disk) => disk.get(&self.name, key),
            Backend::Redis(redis) => redis.get(&self.name, key).await,
        }
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    /// A key or value over its bound, a full or failed store.
    pub async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.write(key, Change::Set(value)).await.map(|_| ())
    }

    /// Removes `key`; well where there is none.
    ///
    /// # Errors
    /// A key over its bound, a failed store.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.write(key, Change::Delete).await.map(|_| ())
    }

    /// Adds `delta` to the number under `key`, which is 0 where there is none, and returns the sum. One step: no
    /// other write comes between.
    ///
    /// # Errors
    /// As [`Bucket::set`], and where the value is no number or the sum does not fit.
    pub async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        match self.write(key, Change::Increment(delta)).await? {
            Changed::Sum(sum) => Ok(sum),
            Changed::Yes | Changed::No => Err(Error::NoNumber),
        }
    }

    /// Sets `value` if what stands there is `expected`; says whether it did. One step.
    ///
    /// # Errors
    /// As [`Bucket::set`].
    pub async fn compare_and_swap(&self, key: &str, expected: Option<Vec<u8>>, value: Vec<u8>) -> Result<bool, Error> {
        let changed = self.write(key, Change::Swap { expected, value }).await?;
        Ok(changed == Changed::Yes)
    }

    /// The keys after `cursor`, in order, at most [`PAGE`] of them.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub async fn list_keys(&self, cursor: Option<&str>) -> Result<Page, Error> {
        let mut keys = match &self.store.backend {
            Backend::Memory(memory) => memory.keys_after(&self.name, cursor, PAGE + 1),
            Backend::Disk(disk) => disk.keys_after(&self.name, cursor, PAGE + 1)?,
            Backend::Redis(redis) => redis.keys_after(&self.name, cursor, PAGE + 1).await?,
        };
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let cursor = keys.last().filter(|_| more).cloned();
        Ok(Page { keys, cursor })
    }

    async fn write(&self, key: &str, change: Change) -> Result<Changed, Error> {
        change.check(key)?;
        let quota = Quota { bucket: self.most, ..self.store.quota };
        match &self.store.backend {
            Backend::Memory(memory) => memory.write(&self.name, key, change, quota),
            Backend::Disk(disk) => disk.write(&self.name, key, change, quota).await,
            Backend::Redis(redis) => redis.write(&self.name, key, change).await,
        }
    }
}

impl Quota {
    /// What bucket and store have after an entry that counted for `before` counts for `after`.
    ///
    /// # Errors
    /// [`Error::Full`]: it grows, and one of them would have more than it may.
    fn after(self, bucket: u64, store: u64, before: u64, after: u64) -> Result<(u64, u64), Error> {
        let (bucket, store) = (bucket - before.min(bucket) + after, store - before.min(store) + after);
        for (what, bytes, limit) in [("bucket", bucket, self.bucket), ("store", store, self.store)] {
            // What makes room is let through, also where less is allowed than before.
            if bytes > limit && after > before {
                return Err(Error::Full { what, bytes, limit });
            }
        }
        Ok((bucket, store))
    }
}

/// What an entry counts for.
fn cost(bucket: &str, key: &str, value: usize) -> u64 {
    (bucket.len() + key.len() + value) as u64 + ENTRY
}

/// A write, as one step.
#[derive(Debug)]
enum Change {
    Set(Vec<u8>),
    Delete,
    Increment(i64),
    Swap { expected: Option<Vec<u8>>, value: Vec<u8> },
}

/// What came of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
    Sum(i64),
}

/// What a [`Change`] makes of a value.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Keep,
    Remove,
    Put(Vec<u8>),
}

impl Change {
    fn check(&self, key: &str) -> Result<(), Error> {
        if key.len() > KEY {
            return Err(Error::KeyTooLong(key.len()));
        }
        match self {
            Self::Set(value) | Self::Swap { value, .. } if value.len() > VALUE => {
                Err(Error::ValueTooLarge(value.len()))
            }
            _ => Ok(()),
        }
    }

    /// What becomes of `current`: the same rules whatever it is kept in.
    fn apply(self, current: Option<&[u8]>) -> Result<(Next, Changed), Error> {
        match self {
            Self::Set(value) => Ok((Next::Put(value), Changed::Yes)),
            Self::Delete => Ok((Next::Remove, Changed::Yes)),
            Self::Swap { expected, value } if expected.as_deref() == current => Ok((Next::Put(value), Changed::Yes)),
            Self::Swap { .. } => Ok((Next::Keep, Changed::No)),
            Self::Increment(delta) => {
                let number = current.map_or(Ok(0), number)?;
                let sum = number.checked_add(delta).ok_or(Error::Overflow)?;
                Ok((Next::Put(sum.to_string().into_bytes()), Changed::Sum(sum)))
            }
        }
    }
}

fn number(value: &[u8]) -> Result<i64, Error> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Error::NoNumber)
}
