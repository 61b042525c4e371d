//! Files of the host, in a folder that only its user can access; each is complete or absent.

use std::any::Any;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::Database;

/// Maximum size in bytes of a file that is read completely when it is opened. Of a larger file, only the parts that a start
/// reads are checked.
const CHECKED: u64 = 256 << 20;

/// The reason why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error("the file {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file was written by another program, or was damaged later.
    #[error("the file {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refuses access.
    #[error("failed to open the file {}: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: String,
    },
}

impl Error {
    /// The remedy.
    pub fn remedy(&self) -> String {
        match self {
            Self::InUse(_) => "stop the other host, or set another [storage] path for this one".to_owned(),
            Self::Damaged { path, .. } => format!(
                "restore it from a backup, or move it away (`mv {0} {0}.old`) to start with an empty one",
                path.display()
            ),
            Self::Failed { .. } => "check permissions and free space of [storage] path".to_owned(),
        }
    }
}

/// Creates the folder if it does not exist, for this user only. An existing folder that others can read is not changed, but
/// a warning is logged, because that may be intended.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(%path, mode = format_args!("{mode:o}"), "the storage folder is open to other users; expected mode 700");
    }
    Ok(())
}

/// Opens the database in the file `path`. If the file does not exist, it is created with the content of `prepare`. An
/// existing file must be a database: an empty file is refused, because a crash of the machine or a full disk can leave one.
///
/// # Errors
/// See the variants of [`Error`].
pub(crate) fn database(path: &Path, prepare: impl Fn(&Database) -> Result<(), redb::Error>) -> Result<Database, Error> {
    let failed = |error: io::Error| Error::Failed { path: path.into(), reason: error.to_string() };
    let damaged = |reason: &str| Error::Damaged { path: path.into(), reason: reason.to_owned() };
    if let Some(folder) = path.parent() {
        self::folder(folder).map_err(failed)?;
    }
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path, &prepare)?;
            fs::metadata(path).map_err(failed)?.len()
        }
        found => found.map_err(failed)?.len(),
    };
    if length == 0 {
        return Err(damaged("it is empty"));
    }
    let note = beside(path, "damaged");
    if let Ok(reason) = fs::read_to_string(&note) {
        let reason = format!("{} (recorded in {}; move both away)", reason.trim(), note.display());
        return Err(damaged(&reason));
    }
    // Others must not read the file. If the permissions cannot be changed, the file is used anyway.
    let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
    let opened = guarded(path, || {
        let mut database = Database::open(path)?;
        let is_sound = length > CHECKED || database.check_integrity()?;
        prepare(&database)?;
        Ok((database, is_sound))
    })?;
    match opened {
        (database, true) => Ok(database),
        (database, false) => {
            // The check has repaired the database, possibly without the newest entries. The next start must detect that,
            // too.
            drop(database);
            let reason = "checksum mismatch";
            fs::write(&note, reason).map_err(failed)?;
            Err(damaged(reason))
        }
    }
}

/// Opens the database again, after a failure of the disk.
///
/// # Errors
/// As [`database`].
pub(crate) fn reopened(path: &Path) -> Result<Database, redb::Error> {
    // It must not create a new database.
    Ok(Database::open(path)?)
}

/// Creates a database atomically: the file is complete, or it does not exist.
fn create(path: &Path, prepare: impl Fn(&Database) -> Result<(), redb::Error>) -> Result<(), Error> {
    let new = beside(path, "new");
    let failed = |error: io::Error| Error::Failed { path: path.into(), reason: error.to_string() };
    // A file that a crash has left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    guarded(&new, || prepare(&Database::create(&new)?))?;
    fs::rename(&new, path).map_err(failed)?;
    let folder =
        path.parent().map_or(Path::new("."), |folder| if folder == Path::new("") { Path::new(".") } else { folder });
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// `path` with an additional extension.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Runs code of redb, which may panic if a file is damaged.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(Error::InUse(path.into())),
        Ok(Err(redb::Error::Io(error))) if !is_damage(&error) => {
            Err(Error::Failed { path: path.into(), reason: error.to_string() })
        }
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(panic) => Err(damaged(said(&*panic))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it cannot be read").to_owned()
}

/// Whether the content of the file is the cause, and not the system.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput)
}

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;

    const TABLE: TableDefinition<u64, u64> = TableDefinition::new("t");

    fn prepare(database: &Database) -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(())
    }

    /// A database with some content, and its bytes.
    fn stored(folder: &Path) -> (PathBuf, Vec<u8>) {
        let path = folder.join("store/x.redb");
        let database = database(&path, prepare).unwrap();
        let transaction = database.begin_write().unwrap();
        (0..20_000).for_each(|number| drop(transaction.open_table(TABLE).unwrap().insert(number, number).unwrap()));
        transaction.commit().unwrap();
        drop(database);
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    }

    #[test]
    fn nobody_else_reads_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = stored(folder.path());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        drop(database(&path, prepare).unwrap());
        assert_eq!(mode(&path), 0o600, "one of an older version too");
    }

    #[test]
    fn an_empty_or_damaged_file_is_never_taken_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, good) = stored(folder.path());
        let mut rng = 1_u64;
        let mut at = || {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(rng >> 33).unwrap() % good.len()
        };
        let mut flipped = good.clone();
        (0..200).for_each(|bit| flipped[at()] ^= 1 << (bit % 8));
        let mut zeroed = good.clone();
        zeroed[..4096].fill(0);
        let cut = good[..good.len() / 2].to_vec();
        for (how, bytes) in
            [("empty", vec![]), ("cut", cut), ("zeroed", zeroed), ("flipped", flipped), ("foreign", b"text".to_vec())]
        {
            fs::write(&path, bytes).unwrap();
            // A repeated start gets the same answer.
            for _ in 0..2 {
                let error = database(&path, prepare).err().unwrap_or_else(|| panic!("{how} is taken"));
                assert!(matches!(error, Error::Damaged { .. }), "{how}: {error}");
                let told = format!("{error}; {}", error.remedy());
                assert!(told.contains("x.redb is damaged: ") && told.contains("start with an empty one"), "{told}");
            }
            let _ = fs::remove_file(beside(&path, "damaged"));
        }
        fs::write(&path, good).unwrap();
        assert!(database(&path, prepare).is_ok());
        fs::remove_file(&path).unwrap();
        assert!(database(&path, prepare).is_ok(), "moved away, it begins anew");
    }

    #[test]
    fn what_a_crash_left_of_a_new_file_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.redb");
        fs::write(beside(&path, "new"), "half").unwrap();
        let open = database(&path, prepare).unwrap();
        assert!(matches!(database(&path, prepare), Err(Error::InUse(_))));
        drop(open);
    }
}
