//! Transactional ids: one for each process, the same again after a restart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use sha2::Digest;

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
        // Hosts with folders of their own do not see each other's locks.
        let place = sha2::Sha256::digest(folder.canonicalize()?.as_os_str().as_encoded_bytes());
        let place: String = place.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        for number in 0..MOST {
            let id = format!("{prefix}-{place}-{number}");
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
        let freed = first.id().to_owned();
        assert!(freed.starts_with("shop-orders.v1-h-") && freed.ends_with("-0") && second.id().ends_with("-1"));
        drop(first);
        assert_eq!(Identity::take(folder.path(), "shop-orders.v1-h").unwrap().id(), freed);
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(Identity::take(elsewhere.path(), "shop-orders.v1-h").unwrap().id(), freed);
    }
}
