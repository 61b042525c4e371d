//! Opens the file of a store, and makes sure that it is what was written.
//!
//! redb takes an empty file for a new database, and checks the pages of one that was closed in order only when they are
//! read. A file that the disk has damaged would be a store that has forgotten everything, or an error at some message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{fs, io};

use redb::{Database, DatabaseError, StorageError};

use super::OpenError;
use crate::exit::panic_text;

/// The database in the file `path`, which is made where there is none. Reads all of it.
pub(super) fn open(path: &Path) -> Result<Database, OpenError> {
    let failed = |reason: String| OpenError::Failed { path: path.into(), reason };
    let damaged = |reason: String| OpenError::Damaged { path: path.into(), reason };
    match fs::metadata(path) {
        Ok(found) if found.len() == 0 => return Err(damaged("it is empty".into())),
        Ok(_) => {}
        // Under another name until it is whole, so that a crash leaves no empty file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let unfinished = path.with_extension("redb.tmp");
            let made = Database::create(&unfinished).map(drop).map_err(|error| error.to_string());
            made.and_then(|()| fs::rename(&unfinished, path).map_err(|error| error.to_string())).map_err(failed)?;
        }
        Err(error) => return Err(failed(error.to_string())),
    }
    // It has assertions that damaged pages break.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut database = Database::create(path)?;
        let is_whole = database.check_integrity()?;
        Ok::<_, Wrong>((database, is_whole))
    }));
    match opened.unwrap_or_else(|panic| Err(Wrong::Assertion(panic_text(&*panic).into()))) {
        Ok((database, true)) => Ok(database),
        Ok((database, false)) => {
            let file = path.display().to_string();
            tracing::warn!(
                event = "storage_damaged",
                file,
                "the key-value store was damaged, and is as of its last whole write"
            );
            Ok(database)
        }
        Err(Wrong::Database(DatabaseError::DatabaseAlreadyOpen)) => Err(OpenError::InUse(path.into())),
        Err(Wrong::Database(DatabaseError::Storage(StorageError::Io(error)))) if !is_about_content(&error) => {
            Err(failed(error.to_string()))
        }
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Whether the disk was read, and what stands there is wrong.
fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{0}")]
    Assertion(String),
}

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;

    const TABLE: TableDefinition<u32, &[u8]> = TableDefinition::new("values");

    /// A file with some values, closed in order.
    fn filled(path: &Path) {
        let database = open(path).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut table = write.open_table(TABLE).unwrap();
            (0..200).for_each(|key| drop(table.insert(key, &[key as u8; 500][..]).unwrap()));
        }
        write.commit().unwrap();
    }

    #[test]
    fn a_file_that_is_damaged_is_named_and_never_taken_for_a_new_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyvalue.redb");
        filled(&path);
        assert!(open(&path).is_ok());
        let good = fs::read(&path).unwrap();
        let value = good.windows(500).position(|window| window == [77; 500]).unwrap();
        let mut flipped = good.clone();
        flipped[value + 250] ^= 4;
        let mut zeroed = good.clone();
        zeroed[..4096].fill(0);
        let cases =
            [("empty", Vec::new()), ("flipped", flipped), ("zeroed", zeroed), ("cut", good[..good.len() / 2].to_vec())];
        for (what, bytes) in cases {
            fs::write(&path, bytes).unwrap();
            match open(&path) {
                Err(OpenError::Damaged { path: told, .. }) => assert_eq!(told, path, "{what}"),
                Err(error) => panic!("{what}: {error}"),
                Ok(_) => panic!("{what}: it was opened"),
            }
        }
        fs::write(&path, good).unwrap();
        assert!(open(&path).is_ok());
    }
}
