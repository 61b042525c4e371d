//! The keys that stores use in place of ids.

use sha2::{Digest, Sha256};

/// The first 16 bytes of a digest of scope and id: short, and valid in every store whatever the id contains. Among a billion
/// ids, the probability of two equal keys is 1 in 10^20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) [u8; 16]);

impl Key {
    /// The keys of these ids, in the same order.
    pub(super) fn of_all(scope: &str, ids: &[Box<str>]) -> Vec<Self> {
        let mut begun = Sha256::new();
        // The length of the scope comes first, so that no other scope and id give the same input.
        begun.update((scope.len() as u64).to_le_bytes());
        begun.update(scope);
        let key = |id: &str| {
            let digest = begun.clone().chain_update(id.as_bytes()).finalize();
            let mut key = [0; 16];
            key.copy_from_slice(&digest[..16]);
            Self(key)
        };
        ids.iter().map(|id| key(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str, id: &str) -> Key {
        Key::of_all(scope, &[id.into()])[0]
    }

    #[test]
    fn scope_and_id_do_not_run_into_each_other() {
        assert_eq!(key("route", "1"), key("route", "1"));
        assert_ne!(key("route", "1"), key("route1", ""));
        assert_ne!(key("route", "1"), key("other", "1"));
    }

    #[test]
    fn the_key_of_an_id_is_the_same_in_every_version() {
        // Ids that an older host has recorded must be found.
        assert_eq!(key("route", "1").0[..4], [48, 68, 115, 199]);
    }
}
