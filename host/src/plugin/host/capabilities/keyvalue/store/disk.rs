//! A store in one file (redb).
//!
//! Reads run on the calling thread: they take some microseconds from redb's cache or the page cache. Writes wait for
//! the disk, so they do not run on a worker thread. A dedicated thread takes all pending writes, applies them in order
//! in one transaction, and answers each when that transaction is on disk. So a write costs at most one flush, and less
//! under load, and a write that returned survives a crash of the process or of the machine.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use super::{Change, Changed, Error, Next, Quota, cost};
use crate::storage;

/// Bucket and key to value.
const VALUES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("values");
/// Bucket to its size in bytes; the empty name has the size of the whole store.
const SIZES: TableDefinition<&str, u64> = TableDefinition::new("sizes");

/// Maximum number of pending writes; further ones wait.
const QUEUE: usize = 1024;

/// Maximum number of writes in one transaction.
const BATCH: usize = 256;

pub(super) struct Disk {
    database: Arc<Database>,
    /// `None` only during `drop`: the thread ends when the queue is closed.
    writes: Option<mpsc::Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

struct Write {
    bucket: Box<str>,
    key: Box<str>,
    change: Change,
    quota: Quota,
    answer: oneshot::Sender<Result<Changed, Error>>,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, storage::Error> {
        let database = storage::database(path, make_tables)?;
        let database = Arc::new(database);
        let (writes, queue) = mpsc::channel(QUEUE);
        let thread = Builder::new().name("keyvalue".into()).spawn({
            let database = Arc::clone(&database);
            move || run(&database, queue)
        });
        let failed = |error: std::io::Error| storage::Error::Failed { path: path.into(), reason: error.to_string() };
        let thread = thread.map_err(failed)?;
        Ok(Self { database, writes: Some(writes), thread: Some(thread) })
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(VALUES)?;
            Ok(table.get((bucket, key))?.map(|value| value.value().to_vec()))
        };
        read().map_err(failed)
    }

    pub(super) fn keys_after(&self, bucket: &str, cursor: Option<&str>, count: usize) -> Result<Vec<String>, Error> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(VALUES)?;
            let from = cursor.map_or(Bound::Included((bucket, "")), |cursor| Bound::Excluded((bucket, cursor)));
            let mut keys = Vec::new();
            for entry in table.range::<(&str, &str)>((from, Bound::Unbounded))? {
                let (key, _) = entry?;
                let (found, key) = key.value();
                if found != bucket || keys.len() == count {
                    break;
                }
                keys.push(key.to_owned());
            }
            Ok(keys)
        };
        read().map_err(failed)
    }

    pub(super) async fn write(&self, bucket: &str, key: &str, change: Change, quota: Quota) -> Result<Changed, Error> {
        let stopped = || Error::Failed("it has stopped".into());
        let (answer, answered) = oneshot::channel();
        let write = Write { bucket: bucket.into(), key: key.into(), change, quota, answer };
        self.writes.as_ref().ok_or_else(stopped)?.send(write).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, the pending writes have already failed.
            let _ = thread.join();
        }
    }
}

/// Applies writes until the queue is closed and empty.
fn run(database: &Database, mut queue: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (answers, writes): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|Write { bucket, key, change, quota, answer }| (answer, (bucket, key, change, quota)))
            .unzip();
        let results = transact(database, writes).unwrap_or_else(|error| {
            let error = failed(error);
            answers.iter().map(|_| Err(error.clone())).collect()
        });
        for (answer, result) in answers.into_iter().zip(results) {
            // The caller may have been stopped at its deadline.
            let _ = answer.send(result);
        }
    }
}

type Results = Vec<Result<Changed, Error>>;

/// Applies all changes in order, and returns when they are on disk. On an error, none is applied.
fn transact(database: &Database, writes: Vec<(Box<str>, Box<str>, Change, Quota)>) -> Result<Results, redb::Error> {
    let transaction = database.begin_write()?;
    let results = {
        let mut tables = Tables { values: transaction.open_table(VALUES)?, sizes: transaction.open_table(SIZES)? };
        let apply = |(bucket, key, change, quota): (Box<str>, Box<str>, Change, Quota)| {
            tables.apply(&bucket, &key, change, quota)
        };
        writes.into_iter().map(apply).collect::<Result<Results, redb::Error>>()?
    };
    transaction.commit()?;
    Ok(results)
}

struct Tables<'a> {
    values: Table<'a, (&'static str, &'static str), &'static [u8]>,
    sizes: Table<'a, &'static str, u64>,
}

impl Tables<'_> {
    fn apply(
        &mut self,
        bucket: &str,
        key: &str,
        change: Change,
        quota: Quota,
    ) -> Result<Result<Changed, Error>, redb::Error> {
        let (before, applied) = {
            let current = self.values.get((bucket, key))?;
            let current = current.as_ref().map(|value| value.value());
            (current.map_or(0, |value| cost(bucket, key, value.len())), change.apply(current))
        };
        let (next, changed) = match applied {
            Ok(applied) => applied,
            Err(error) => return Ok(Err(error)),
        };
        let after = match &next {
            Next::Keep => before,
            Next::Remove => 0,
            Next::Put(value) => cost(bucket, key, value.len()),
        };
        if after != before {
            let (of_bucket, of_store) = match quota.after(self.size(bucket)?, self.size("")?, before, after) {
                Ok(sizes) => sizes,
                Err(error) => return Ok(Err(error)),
            };
            self.sizes.insert(bucket, of_bucket)?;
            self.sizes.insert("", of_store)?;
        }
        match next {
            Next::Keep => {}
            Next::Remove => drop(self.values.remove((bucket, key))?),
            Next::Put(value) => drop(self.values.insert((bucket, key), value.as_slice())?),
        }
        Ok(Ok(changed))
    }

    fn size(&self, bucket: &str) -> Result<u64, redb::Error> {
        Ok(self.sizes.get(bucket)?.map_or(0, |size| size.value()))
    }
}

/// Creates the tables of a new store, so that reads find them, and fills the sizes in a store of an older version.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let (values, mut sizes) = (transaction.open_table(VALUES)?, transaction.open_table(SIZES)?);
        if sizes.is_empty()? {
            let mut counted = BTreeMap::from([(String::new(), 0)]);
            for entry in values.iter()? {
                let (name, value) = entry?;
                let (bucket, key) = name.value();
                let cost = cost(bucket, key, value.value().len());
                *counted.entry(bucket.to_owned()).or_default() += cost;
                *counted.entry(String::new()).or_default() += cost;
            }
            for (bucket, size) in counted {
                sizes.insert(&*bucket, size)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn failed(error: redb::Error) -> Error {
    Error::Failed(error.to_string().into())
}
