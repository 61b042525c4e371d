//! The stand-in for the host's key-value store in native tests: one bucket for each name, kept for the thread.

use super::Error;
use crate::test::world;

#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
}

/// The value of a key at one moment, to be replaced only if it is still the same.
pub(super) struct Noted {
    bucket: String,
    key: String,
    value: Option<Vec<u8>>,
}

impl Bucket {
    pub(super) fn open(name: &str) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned() })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        world(|world| Ok(world.operation()?.get(&(self.name.clone(), key.to_owned())).cloned()))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        world(|world| {
            world.operation()?.insert((self.name.clone(), key.to_owned()), value.to_vec());
            Ok(())
        })
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Error> {
        world(|world| {
            world.operation()?.remove(&(self.name.clone(), key.to_owned()));
            Ok(())
        })
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, Error> {
        world(|world| Ok(world.operation()?.contains_key(&(self.name.clone(), key.to_owned()))))
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        world(|world| {
            let value = world.operation()?.entry((self.name.clone(), key.to_owned())).or_insert_with(|| b"0".to_vec());
            let number: i64 = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Error::Other(format!("the value of {key:?} is no number")))?;
            let sum = number
                .checked_add(delta)
                .ok_or_else(|| Error::Other(format!("the number of {key:?} would not fit")))?;
            *value = sum.to_string().into_bytes();
            Ok(sum)
        })
    }

    pub(super) fn note(&self, key: &str) -> Result<(Option<Vec<u8>>, Noted), Error> {
        let value = self.get(key)?;
        Ok((value.clone(), Noted { bucket: self.name.clone(), key: key.to_owned(), value }))
    }
}

impl Noted {
    /// False where somebody else changed the key in between.
    pub(super) fn swap(self, value: &[u8]) -> Result<bool, Error> {
        world(|world| {
            let values = world.operation()?;
            let place = (self.bucket, self.key);
            if values.get(&place) != self.value.as_ref() {
                return Ok(false);
            }
            values.insert(place, value.to_vec());
            Ok(true)
        })
    }
}
