use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;

const WINDOW: Duration = Duration::from_secs(10);

fn key(number: u8) -> Key {
    Key([number; 16])
}

/// A file that can be broken.
#[derive(Debug)]
struct Breakable {
    file: FileBackend,
    broken: Arc<AtomicBool>,
}

impl Breakable {
    fn check(&self) -> std::io::Result<()> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(std::io::Error::other("no space left on device")),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Breakable {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.check()?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> std::io::Result<()> {
        self.file.close()
    }
}

fn store(folder: &std::path::Path) -> (File, Arc<AtomicBool>) {
    let (path, broken) = (folder.join("seen.redb"), Arc::new(AtomicBool::new(false)));
    let open = {
        let (path, broken) = (path.clone(), Arc::clone(&broken));
        move || {
            let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            let backend = Breakable { file: FileBackend::new(file)?, broken: Arc::clone(&broken) };
            Ok(redb::Builder::new().create_with_backend(backend)?)
        }
    };
    let file = File { path, window: WINDOW, open: Box::new(open), database: RwLock::new(None) };
    file.reopen().unwrap();
    (file, broken)
}

#[test]
fn what_is_too_old_is_removed_some_at_a_time_from_both_tables() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = store(folder.path());
    let old: Vec<Key> =
        (0..1000_u32).map(|number| Key(std::array::from_fn(|at| number.to_le_bytes()[at % 4]))).collect();
    file.record(old.iter(), 1_000).unwrap();
    // Recorded anew in time: it stays.
    file.record([old[7]].iter(), 9_000).unwrap();
    let count = || {
        file.work(|database| {
            use redb::ReadableTableMetadata;
            let read = database.begin_read()?;
            Ok((read.open_table(SEEN)?.len()?, read.open_table(BY_TIME)?.len()?))
        })
    };
    file.record([key(200)].iter(), 11_001).unwrap();
    let left = 1001 - (PRUNE as u64 + 2);
    assert_eq!(count(), Ok((left, left)), "a bounded number at a time");
    for _ in 0..4 {
        file.record([key(200)].iter(), 11_001).unwrap();
    }
    assert_eq!(count(), Ok((2, 2)));
    assert_eq!(file.seen(&[old[7], old[8], key(200)], 11_001), Ok(vec![true, false, true]));
}

#[test]
fn what_came_at_the_end_of_a_millisecond_is_known_for_the_whole_window() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = store(folder.path());
    file.record([key(1)].iter(), 1_000).unwrap();
    // From 1,000.9 to 11,000.1 it is less than ten seconds.
    assert_eq!(file.seen(&[key(1)], 11_000), Ok(vec![true]));
    assert_eq!(file.seen(&[key(1)], 11_001), Ok(vec![false]));
}

#[test]
fn a_clock_that_is_set_back_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = store(folder.path());
    file.record([key(1)].iter(), 100_000).unwrap();
    assert_eq!(file.seen(&[key(1)], 50_000), Ok(vec![true]));
}

#[test]
fn after_a_full_disk_it_goes_on_with_all_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (file, broken) = store(folder.path());
    file.record([key(1)].iter(), 1_000).unwrap();
    broken.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = file.record([key(2)].iter(), 1_000).unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    broken.store(false, Ordering::SeqCst);
    assert_eq!(file.record([key(3)].iter(), 1_000), Ok(()));
    assert_eq!(file.seen(&[1, 3].map(key), 1_000), Ok(vec![true, true]));
}
