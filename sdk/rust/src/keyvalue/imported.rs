//! The host's key-value store.

use super::Error;
use crate::bindings::wasi::keyvalue::{atomics, store};

#[derive(Debug)]
pub(super) struct Bucket(store::Bucket);

/// The value of a key at one moment, to be replaced only if it is still the same.
pub(super) struct Noted(atomics::Cas);

impl Bucket {
    pub(super) fn open(name: &str) -> Result<Self, Error> {
        Ok(Self(store::open(name)?))
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(key)?)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.0.set(key, value)?)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.0.delete(key)?)
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.exists(key)?)
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }

    pub(super) fn note(&self, key: &str) -> Result<(Option<Vec<u8>>, Noted), Error> {
        let noted = atomics::Cas::new(&self.0, key)?;
        Ok((noted.current()?, Noted(noted)))
    }
}

impl Noted {
    /// False where somebody else changed the key in between.
    pub(super) fn swap(self, value: &[u8]) -> Result<bool, Error> {
        match atomics::swap(self.0, value) {
            Ok(()) => Ok(true),
            Err(atomics::CasError::CasFailed(_)) => Ok(false),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(text) => Self::Other(text),
        }
    }
}
