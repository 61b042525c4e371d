//! Values that outlive the instance, in the bucket the plugin was granted:
//! `capabilities = { keyvalue = "orders" }` lets it open `"orders"`.
//!
//! A write stays when the handler fails afterwards, and the same message may come again. So write what a second
//! attempt may find there: set the same value again, or use [`Bucket::set_if_absent`].

#[cfg(not(target_family = "wasm"))]
#[path = "keyvalue/in_memory.rs"]
mod backend;
#[cfg(target_family = "wasm")]
#[path = "keyvalue/imported.rs"]
mod backend;

use crate::Failure;

/// How often [`Bucket::set_if_absent`] tries again when somebody else changes the key between its look and its write.
/// Only a key that is set and deleted over and over can use them up.
const SWAP_ATTEMPTS: u32 = 16;

/// Why an operation did not succeed.
///
/// `?` in a handler turns it into a [`Failure`]: retryable `SERVICE_UNAVAILABLE` where the store failed, permanent
/// `CAPABILITY_DENIED` where the bucket is missing or not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no bucket of that name.
    #[error("there is no key-value bucket of that name")]
    NoSuchStore,
    /// The plugin has no grant for that bucket.
    #[error("the plugin has no grant for that key-value bucket")]
    AccessDenied,
    /// The store itself failed.
    #[error("the key-value store failed: {0}")]
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchStore | Error::AccessDenied => Failure::permanent("CAPABILITY_DENIED", error.to_string()),
            Error::Other(_) => Failure::retryable("SERVICE_UNAVAILABLE", error.to_string()),
        }
    }
}

/// Opens the bucket that was granted under this name.
///
/// # Errors
///
/// The bucket is missing, not granted, or the store failed.
pub fn open(name: &str) -> Result<Bucket, Error> {
    backend::Bucket::open(name).map(Bucket)
}

/// A collection of keys and values, shared by all plugins that were granted its name.
#[derive(Debug)]
pub struct Bucket(backend::Bucket);

impl Bucket {
    /// The value of `key`, or none.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// Sets the value of `key`, whatever it was before.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.0.set(key, value.as_ref())
    }

    /// Removes `key`; success where there is none.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether there is a value for `key`.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// Adds `delta` to the number under `key` in one step and returns the sum; a missing key counts as zero. A delta
    /// of zero reads the number.
    ///
    /// # Errors
    ///
    /// The value is no number, the sum does not fit, or the store failed.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.0.increment(key, delta)
    }

    /// Sets the value of `key` in one step, if it has none. Returns the value that was there before, in which case
    /// nothing was written. Of several callers at once exactly one gets `None`.
    ///
    /// # Errors
    ///
    /// The store failed, or the key was set and deleted by others again and again.
    pub fn set_if_absent(&self, key: &str, value: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        for _ in 0..SWAP_ATTEMPTS {
            let (current, noted) = self.0.note(key)?;
            if current.is_some() {
                return Ok(current);
            }
            if noted.swap(value.as_ref())? {
                return Ok(None);
            }
        }
        Err(Error::Other(format!("{key:?} changed {SWAP_ATTEMPTS} times while it was being set")))
    }
}

#[cfg(test)]
mod tests;
