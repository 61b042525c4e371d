//! Transactional ids: one for each process, the same again after a restart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use sha2::Digest;

/// Highest number of processes on one machine that share a folder.
const MOST: u32 = 10_000;

/// A transactional id, reserved for this process as long as the value lives. A crash of the process also frees it.
#[derive(Debug)]
pub(super) struct Identity {
    id: String,
    /// Whether the id is unique to this process, so that it changes with a restart.
    is_own: bool,
    /// The locked file. The operating system unlocks it when the process ends.
    _lock: File,
}

impl Identity {
    /// Reserves the first number that no other process has.
    pub(super) fn take(folder: &Path, prefix: &str) -> io::Result<Self> {
        crate::storage::folder(folder)?;
        // Hosts with different folders do not see each other's locks, so the id contains a digest of the path.
        let place = sha2::Sha256::digest(folder.canonicalize()?.as_os_str().as_encoded_bytes());
        let place: String = place.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        for number in 0..MOST {
            let id = format!("{prefix}-{place}-{number}");
            let name: String =
                id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
            let path = folder.join(format!("{name}.lock"));
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { id, is_own: false, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST} processes use this folder")))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether another process may have the same id: one on a machine of the same name, with another folder of the
    /// same path.
    pub(super) fn may_be_taken(&self) -> bool {
        !self.is_own
    }

    /// Changes the id to a unique one, because another process uses this one.
    pub(super) fn renew(&mut self) {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        self.id = format!("{}-{}", self.id, &unique[..8]);
        self.is_own = true;
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
        let mut taken = Identity::take(elsewhere.path(), "shop-orders.v1-h").unwrap();
        let before = taken.id().to_owned();
        assert!(taken.may_be_taken());
        taken.renew();
        assert!(taken.id().starts_with(&before) && taken.id() != before && !taken.may_be_taken());
    }
}
