//! A store in one file, by redb.
//!
//! Reads run where they are called: they take some microseconds from redb's cache or the page cache. Writes wait
//! for the disk, so they do not run on a worker: a thread of the store's own takes all that are waiting, applies
//! them in order in one transaction, and answers each when that transaction is on the disk. So a write costs one
//! flush at worst and a fraction of one under load, and a write that returned survives a crash of the process and
//! of the machine.

mod whole;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use super::{Change, Changed, Error, Next};

/// Bucket and key to value.
const VALUES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("values");

/// Writes that wait for the thread; a further one waits for room.
const QUEUE: usize = 1024;

/// The most writes in one transaction.
const BATCH: usize = 256;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the key-value store {0} is open in another process")]
    InUse(PathBuf),
    /// The file cannot be opened, or is no store.
    #[error("the key-value store {path} cannot be opened: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The disk has not kept what was written to the file.
    #[error("the key-value store {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

pub(super) struct Disk {
    database: Arc<Database>,
    /// `None` only while it is dropped: the thread ends when the queue does.
    writes: Option<mpsc::Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

struct Write {
    bucket: Box<str>,
    key: Box<str>,
    change: Change,
    answer: oneshot::Sender<Result<Changed, Error>>,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Failed { path: path.into(), reason };
        let database = whole::open(path)?;
        make_table(&database).map_err(|error| failed(error.to_string()))?;
        let database = Arc::new(database);
        let (writes, queue) = mpsc::channel(QUEUE);
        let thread = Builder::new().name("keyvalue".into()).spawn({
            let database = Arc::clone(&database);
            move || run(&database, queue)
        });
        let thread = thread.map_err(|error| failed(error.to_string()))?;
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

    pub(super) async fn write(&self, bucket: &str, key: &str, change: Change) -> Result<Changed, Error> {
        let stopped = || Error::Failed("it has stopped".into());
        let (answer, answered) = oneshot::channel();
        let write = Write { bucket: bucket.into(), key: key.into(), change, answer };
        self.writes.as_ref().ok_or_else(stopped)?.send(write).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its writers were told so already.
            let _ = thread.join();
        }
    }
}

/// Applies writes until the queue is closed and empty.
fn run(database: &Database, mut queue: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (answers, changes): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|write| (write.answer, (write.bucket, write.key, write.change))).unzip();
        let results = transact(database, changes).unwrap_or_else(|error| {
            let error = failed(error);
            answers.iter().map(|_| Err(error.clone())).collect()
        });
        for (answer, result) in answers.into_iter().zip(results) {
            // Whoever asked may have been stopped at its deadline.
            let _ = answer.send(result);
        }
    }
}

type Results = Vec<Result<Changed, Error>>;

/// All changes, in order, on the disk when it returns; none of them where it fails.
fn transact(database: &Database, changes: Vec<(Box<str>, Box<str>, Change)>) -> Result<Results, redb::Error> {
    let transaction = database.begin_write()?;
    let results = {
        let mut table = transaction.open_table(VALUES)?;
        let apply = |(bucket, key, change): (Box<str>, Box<str>, Change)| apply(&mut table, &bucket, &key, change);
        changes.into_iter().map(apply).collect::<Result<Results, redb::Error>>()?
    };
    transaction.commit()?;
    Ok(results)
}

fn apply(
    table: &mut Table<'_, (&str, &str), &[u8]>,
    bucket: &str,
    key: &str,
    change: Change,
) -> Result<Result<Changed, Error>, redb::Error> {
    let applied = change.apply(table.get((bucket, key))?.as_ref().map(|value| value.value()));
    let (next, changed) = match applied {
        Ok(applied) => applied,
        Err(error) => return Ok(Err(error)),
    };
    match next {
        Next::Keep => {}
        Next::Remove => drop(table.remove((bucket, key))?),
        Next::Put(value) => drop(table.insert((bucket, key), value.as_slice())?),
    }
    Ok(Ok(changed))
}

/// So that reads find a table in a new store.
fn make_table(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    transaction.commit()?;
    Ok(())
}

fn failed(error: redb::Error) -> Error {
    Error::Failed(error.to_string().into())
}
