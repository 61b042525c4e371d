//! An event-id store in one redb file.
//!
//! As in the key-value store, a thread takes all waiting writes, commits them in one transaction, and answers each when the
//! transaction is on disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use super::{Error, Key};
use crate::storage;

/// Maps a key to the time of its recording, in milliseconds since 1970.
const SEEN: TableDefinition<&[u8; 16], u64> = TableDefinition::new("seen");
/// The same entries ordered by time, to find those to remove.
const BY_TIME: TableDefinition<(u64, &[u8; 16]), ()> = TableDefinition::new("seen_by_time");

/// Maximum number of writes that wait for the thread; further callers wait for room.
const QUEUE: usize = 1024;
/// Maximum number of writes in one transaction.
const BATCH: usize = 256;
/// Minimum number of expired entries that one transaction removes, if there are so many.
const PRUNE: usize = 256;

pub(super) struct Disk {
    file: Arc<File>,
    /// `None` only during the drop: the thread ends when the queue is closed.
    writes: Option<mpsc::Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

struct Write {
    keys: Vec<Key>,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// The file. It is opened again after a failure, because redb refuses all work after a disk error.
struct File {
    path: PathBuf,
    window: Duration,
    open: Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>,
    database: RwLock<Option<Database>>,
}

impl Disk {
    pub(super) async fn open(path: PathBuf, window: Duration) -> Result<Self, Error> {
        blocking(move || Self::start(path, window)).await
    }

    fn start(path: PathBuf, window: Duration) -> Result<Self, Error> {
        let database = storage::database(&path, make_tables).map_err(|error| unusable(&path, error))?;
        let opened = path.clone();
        let open = move || storage::reopened(&opened);
        let file = Arc::new(File { path, window, open: Box::new(open), database: RwLock::new(Some(database)) });
        let (writes, queue) = mpsc::channel(QUEUE);
        let thread = Builder::new().name("dedupe".into()).spawn({
            let file = Arc::clone(&file);
            move || run(&file, queue)
        });
        let thread = thread.map_err(|error| file.failed(error))?;
        Ok(Self { file, writes: Some(writes), thread: Some(thread) })
    }

    pub(super) async fn seen(&self, keys: Vec<Key>) -> Result<Vec<bool>, Error> {
        let file = Arc::clone(&self.file);
        blocking(move || file.seen(&keys, now())).await
    }

    pub(super) async fn record(&self, keys: Vec<Key>) -> Result<(), Error> {
        let stopped = || self.file.failed("its thread has stopped");
        let (answer, answered) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or_else(stopped)?;
        writes.send(Write { keys, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, its callers already got an error.
            let _ = thread.join();
        }
    }
}

/// Writes until the queue is closed and empty.
fn run(file: &File, mut queue: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let result = file.record(batch.iter().flat_map(|write: &Write| &write.keys), now());
        for write in batch.drain(..) {
            // The caller may have stopped waiting.
            let _ = write.answer.send(result.clone());
        }
    }
}

impl File {
    fn seen(&self, keys: &[Key], now: u64) -> Result<Vec<bool>, Error> {
        self.work(|database| {
            let table = database.begin_read()?.open_table(SEEN)?;
            let known = |key: &Key| Ok(table.get(&key.0)?.is_some_and(|at| self.is_known(at.value(), now)));
            keys.iter().map(known).collect()
        })
    }

    /// Records all keys in one transaction: all are on disk when it returns, or none after an error.
    fn record<'a>(&self, keys: impl Iterator<Item = &'a Key>, now: u64) -> Result<(), Error> {
        self.work(|database| {
            let transaction = database.begin_write()?;
            {
                let mut seen = transaction.open_table(SEEN)?;
                let mut by_time = transaction.open_table(BY_TIME)?;
                let mut recorded = 0;
                for key in keys {
                    let before = seen.insert(&key.0, now)?.map(|at| at.value());
                    if let Some(before) = before {
                        by_time.remove((before, &key.0))?;
                    }
                    by_time.insert((now, &key.0), ())?;
                    recorded += 1;
                }
                // Removes twice as many entries as it adds, so that expired ones do not accumulate.
                for _ in 0..2 * recorded + PRUNE {
                    let oldest = by_time.first()?.map(|(entry, _)| (entry.value().0, *entry.value().1));
                    let Some((at, key)) = oldest.filter(|(at, _)| !self.is_known(*at, now)) else { break };
                    by_time.remove((at, &key))?;
                    seen.remove(&key)?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Both times are rounded down to milliseconds, so the window may appear almost 1 ms shorter than it is. A clock that
    /// was set back makes ids look younger, so they are known for longer.
    fn is_known(&self, at: u64, now: u64) -> bool {
        u128::from(now.saturating_sub(at)) <= self.window.as_millis()
    }

    fn work<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        if self.read().is_none() {
            self.reopen()?;
        }
        // The file may have failed again meanwhile.
        let done = self.read().as_ref().map(work);
        let error = match done {
            Some(Ok(done)) => return Ok(done),
            Some(Err(error)) => error,
            None => redb::Error::PreviousIo,
        };
        if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Err(self.failed(error))
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file, unless it is open.
    fn reopen(&self) -> Result<(), Error> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_some() {
            return Ok(());
        }
        let open = || -> Result<Database, redb::Error> {
            let database = (self.open)()?;
            make_tables(&database)?;
            Ok(database)
        };
        *database = Some(open().map_err(|error| self.failed(error))?);
        Ok(())
    }

    fn failed(&self, reason: impl ToString) -> Error {
        Error::Unavailable { store: name(&self.path), reason: reason.to_string().into() }
    }
}

/// Creates the tables, so that reads of a new file find them.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(SEEN)?;
    transaction.open_table(BY_TIME)?;
    transaction.commit()?;
    Ok(())
}

fn name(path: &Path) -> Box<str> {
    format!("the file {}", path.display()).into()
}

fn unusable(path: &Path, error: storage::Error) -> Error {
    let store = name(path);
    match error {
        storage::Error::Damaged { reason, .. } => Error::Damaged { store, reason: reason.into() },
        storage::Error::InUse(_) => Error::Unavailable { store, reason: "it is in use by another process".into() },
        storage::Error::Failed { reason, .. } => Error::Unavailable { store, reason: reason.into() },
    }
}

/// Milliseconds since 1970, by the wall clock, because later processes must be able to compare them.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Runs disk work on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime is being shut down.
        Err(error) => Err(Error::Unavailable { store: "the file".into(), reason: error.to_string().into() }),
    }
}

#[cfg(test)]
mod tests;
