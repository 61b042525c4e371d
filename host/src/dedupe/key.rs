//! What stands for an id in a store.

use sha2::{Digest, Sha256};

/// The first 16 bytes of a digest of scope and id: short, and taken by every store whatever the id looks like. Among a
/// billion ids the chance that two are mistaken for each other is one in 10^20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) [u8; 16]);

impl Key {
    /// The keys of these ids, in this order.
    pub(super) fn of_all(scope: &str, ids: &[Box<str>]) -> Vec<Self> {
        let mut begun = Sha256::new();
        // With its length first: no scope and id can be read as another scope and id.
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
        // What an older host recorded has to be found.
        assert_eq!(key("route", "1").0[..4], [48, 68, 115, 199]);
    }
}
