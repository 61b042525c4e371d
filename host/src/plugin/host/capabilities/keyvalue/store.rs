//! Key-value stores: in memory, in one file of the host, or on a Redis server for several hosts.
//!
//! A store has isolated buckets; a plugin is granted one of them by name. A write is durable when its call returns.
//! Writes are not part of an attempt's outcome: they stay when the attempt fails.

mod disk;
mod memory;
mod redis;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::server::{self, Address};
pub use crate::storage::Error as OpenError;

/// Maximum length of a key in bytes.
pub const KEY: usize = 1 << 10;
/// Maximum size of a value in bytes.
pub const VALUE: usize = 1 << 20;
/// Maximum number of keys on one page of a list.
pub const PAGE: usize = 256;

/// Bytes that an entry counts beside its bucket name, key and value.
const ENTRY: u64 = 64;

/// Quota of a store in memory, in bytes.
const IN_MEMORY: u64 = 256 << 20;

/// Quotas of a store on disk or in memory, in bytes. Bucket names, keys and values count, and 64 bytes for each entry.
/// A file may take twice as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// In all buckets together.
    pub store: u64,
    /// For one bucket, regardless of which plugin writes to it.
    pub bucket: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { store: 1 << 30, bucket: 256 << 20 }
    }
}

/// A key-value store. Clones are handles of the same store.
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

/// A bucket of a store. Clones are handles of the same bucket.
#[derive(Clone)]
pub struct Bucket {
    store: Store,
    name: Arc<str>,
    /// Maximum size of the bucket after a write, in bytes.
    most: u64,
}

/// Why a call of a key-value store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is longer than [`KEY`].
    #[error("key of {0} bytes exceeds the limit of {KEY}")]
    KeyTooLong(usize),
    /// The value is larger than [`VALUE`].
    #[error("value of {0} bytes exceeds the limit of {VALUE}")]
    ValueTooLarge(usize),
    /// The stored value is not a decimal number of 64 bits.
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
        /// The size with this value, in bytes.
        bytes: u64,
        /// The quota in bytes.
        limit: u64,
    },
    /// The file cannot be read or written, or the server is unavailable or rejects the call. A write may or may not
    /// have happened.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}

/// One page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in order.
    pub keys: Vec<String>,
    /// The cursor of the next page; `None` on the last page.
    pub cursor: Option<String>,
}

impl Store {
    /// Creates a store in memory of at most 256 MiB. It is lost when the process ends.
    pub fn in_memory() -> Self {
        Self::new(Backend::Memory(Arc::default()), Quota { store: IN_MEMORY, bucket: IN_MEMORY })
    }

    /// Opens the store in the file `path`, or creates the file and its folder. Blocks meanwhile.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a store, or is open in another process.
    pub fn open(path: &Path, quota: Quota) -> Result<Self, OpenError> {
        Ok(Self::new(Backend::Disk(Arc::new(disk::Disk::open(path)?)), quota))
    }

    fn new(backend: Backend, quota: Quota) -> Self {
        Self { backend, quota }
    }

    /// Connects to the Redis server at `address`. A call may take `timeout`. Stores with the same `prefix` share their
    /// buckets. The server limits the size (`maxmemory`). The current runtime does the input and output.
    ///
    /// # Errors
    /// If the server is unavailable or rejects the connection.
    pub async fn redis(address: &Address, timeout: Duration, prefix: &str) -> Result<Self, server::Error> {
        let server = server::Redis::open(address, timeout).await?;
        Ok(Self::new(Backend::Redis(Arc::new(redis::Redis::new(server, prefix))), Quota::default()))
    }

    /// Returns the bucket `name`.
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket { store: self.clone(), name: name.into(), most: self.quota.bucket }
    }
}

impl Bucket {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Limits the bucket to `most` bytes for writes through this handle.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        Self { most: most.min(self.most), ..self }
    }

    /// Returns the value of `key`.
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
    /// If a key or value is too long, the quota is reached, or the store failed.
    pub async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.write(key, Change::Set(value)).await.map(|_| ())
    }

    /// Removes `key`. Succeeds if there is no such key.
    ///
    /// # Errors
    /// If the key is too long or the store failed.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.write(key, Change::Delete).await.map(|_| ())
    }

    /// Adds `delta` to the number under `key` and returns the sum. A missing number is 0. The operation is atomic.
    ///
    /// # Errors
    /// As [`Bucket::set`], and if the value is not a number or the sum exceeds 64 bits.
    pub async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        match self.write(key, Change::Increment(delta)).await? {
            Changed::Sum(sum) => Ok(sum),
            Changed::Yes | Changed::No => Err(Error::NoNumber),
        }
    }

    /// Sets `value` if the current value is `expected`, and returns whether it did. The operation is atomic.
    ///
    /// # Errors
    /// As [`Bucket::set`].
    pub async fn compare_and_swap(&self, key: &str, expected: Option<Vec<u8>>, value: Vec<u8>) -> Result<bool, Error> {
        let changed = self.write(key, Change::Swap { expected, value }).await?;
        Ok(changed == Changed::Yes)
    }

    /// Returns at most [`PAGE`] keys after `cursor`, in order.
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
    /// Returns the sizes of bucket and store after an entry changes its size from `before` to `after`, in bytes.
    ///
    /// # Errors
    /// [`Error::Full`] if the entry grows and a quota would be exceeded.
    fn after(self, bucket: u64, store: u64, before: u64, after: u64) -> Result<(u64, u64), Error> {
        let (bucket, store) = (bucket - before.min(bucket) + after, store - before.min(store) + after);
        for (what, bytes, limit) in [("bucket", bucket, self.bucket), ("store", store, self.store)] {
            // A change that frees space is allowed even if the quota was lowered below the current size.
            if bytes > limit && after > before {
                return Err(Error::Full { what, bytes, limit });
            }
        }
        Ok((bucket, store))
    }
}

/// Returns the bytes that an entry counts.
fn cost(bucket: &str, key: &str, value: usize) -> u64 {
    (bucket.len() + key.len() + value) as u64 + ENTRY
}

/// An atomic write.
#[derive(Debug)]
enum Change {
    Set(Vec<u8>),
    Delete,
    Increment(i64),
    Swap { expected: Option<Vec<u8>>, value: Vec<u8> },
}

/// The result of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
    Sum(i64),
}

/// The effect of a [`Change`] on a value.
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

    /// Applies the change to `current`, with the same rules for every kind of store.
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
