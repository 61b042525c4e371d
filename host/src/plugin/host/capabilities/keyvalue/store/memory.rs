//! A store in memory. It is lost when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Changed, Error, Next, Quota, cost};

#[derive(Default)]
pub(super) struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    buckets: BTreeMap<Box<str>, Values>,
    bytes: u64,
}

#[derive(Default)]
struct Values {
    values: BTreeMap<Box<str>, Vec<u8>>,
    bytes: u64,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.lock().buckets.get(bucket)?.values.get(key).cloned()
    }

    pub(super) fn keys_after(&self, bucket: &str, cursor: Option<&str>, count: usize) -> Vec<String> {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let contents = self.lock();
        let Some(bucket) = contents.buckets.get(bucket) else { return Vec::new() };
        bucket.values.range::<str, _>((from, Bound::Unbounded)).take(count).map(|(key, _)| key.to_string()).collect()
    }

    pub(super) fn write(&self, bucket: &str, key: &str, change: Change, quota: Quota) -> Result<Changed, Error> {
        let contents = &mut *self.lock();
        let held = contents.buckets.entry(bucket.into()).or_default();
        let current = held.values.get(key);
        let before = current.map_or(0, |value| cost(bucket, key, value.len()));
        let (next, changed) = change.apply(current.map(Vec::as_slice))?;
        let after = match &next {
            Next::Keep => before,
            Next::Remove => 0,
            Next::Put(value) => cost(bucket, key, value.len()),
        };
        (held.bytes, contents.bytes) = quota.after(held.bytes, contents.bytes, before, after)?;
        match next {
            Next::Keep => {}
            Next::Remove => drop(held.values.remove(key)),
            Next::Put(value) => drop(held.values.insert(key.into(), value)),
        }
        Ok(changed)
    }
}
