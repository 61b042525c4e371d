//! A store that lasts as long as the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Changed, Error, Next};

/// The most that keys and values take together, bytes.
const CAPACITY: usize = 256 << 20;

#[derive(Default)]
pub(super) struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    buckets: BTreeMap<Box<str>, BTreeMap<Box<str>, Vec<u8>>>,
    bytes: usize,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.lock().buckets.get(bucket)?.get(key).cloned()
    }

    pub(super) fn keys_after(&self, bucket: &str, cursor: Option<&str>, count: usize) -> Vec<String> {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let contents = self.lock();
        let Some(bucket) = contents.buckets.get(bucket) else { return Vec::new() };
        bucket.range::<str, _>((from, Bound::Unbounded)).take(count).map(|(key, _)| key.to_string()).collect()
    }

    pub(super) fn write(&self, bucket: &str, key: &str, change: Change) -> Result<Changed, Error> {
        let contents = &mut *self.lock();
        let values = contents.buckets.entry(bucket.into()).or_default();
        let current = values.get(key);
        let freed = current.map_or(0, |value| key.len() + value.len());
        let (next, changed) = change.apply(current.map(Vec::as_slice))?;
        match next {
            Next::Keep => {}
            Next::Remove => {
                values.remove(key);
                contents.bytes -= freed;
            }
            Next::Put(value) => {
                let bytes = contents.bytes - freed + key.len() + value.len();
                if bytes > CAPACITY {
                    return Err(Error::Full);
                }
                contents.bytes = bytes;
                values.insert(key.into(), value);
            }
        }
        Ok(changed)
    }
}
