//! Transactional ids: one for each process, the same again after a restart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Processes on one machine that share a folder, at most.
const MOST: u32 = 10_000;

/// A transactional id that is ours while this lives, also where the process dies without a word.
#[derive(Debug)]
pub(super) struct Identity {
    id: String,
    /// Locked; the operating system unlocks it when the process ends.
    _lock: File,
}

impl Identity {
    /// Takes the first number that no other process has.
    pub(super) fn take(folder: &Path, prefix: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for number in 0..MOST {
            let id = format!("{prefix}-{number}");
            let name: String =
                id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
            let path = folder.join(format!("{name}.lock"));
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { id, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST} processes use this folder")))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_a_number_of_its_own_and_a_freed_one_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::take(folder.path(), "shop-orders.v1-h").unwrap();
        let second = Identity::take(folder.path(), "shop-orders.v1-h").unwrap();
        assert_eq!((first.id(), second.id()), ("shop-orders.v1-h-0", "shop-orders.v1-h-1"));
        drop(first);
        assert_eq!(Identity::take(folder.path(), "shop-orders.v1-h").unwrap().id(), "shop-orders.v1-h-0");
    }
}
