//! Messages that fail at every attempt, in whatever host and however well the world is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use cofferdam_core::outcome::Class;

use super::World;
use crate::{Limit, Since};

/// How they fail: each always in the same way.
const CLASSES: [Class; 6] =
    [Class::Retryable, Class::Retryable, Class::TimedOut, Class::Trapped, Class::Permanent, Class::Malformed];

/// How soon a record comes to its end in a calm world. Where nine messages of ten are bad, all of one lane, it takes an
/// hour now and then.
pub(super) const LIMIT: Limit = Limit { within: Duration::from_secs(4 * 3_600), since: Since::Calm };

/// Which messages are bad.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Poison {
    /// Of a hundred messages.
    pub(super) share: u64,
    /// Decides which.
    pub(super) salt: u64,
}

impl Poison {
    /// How the record fails, if it is a bad one.
    pub(super) fn of(self, record: &str) -> Option<Class> {
        if self.share == 0 {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (self.salt, record).hash(&mut hasher);
        let ticket = hasher.finish();
        (ticket % 100 < self.share).then(|| CLASSES[(ticket / 100) as usize % CLASSES.len()])
    }
}

impl World {
    /// How the attempt that is in this place fails, if its record is a bad one.
    pub(super) fn poisoned(&self, index: usize) -> Option<Class> {
        self.poison.of(&self.in_hand()[index])
    }
}
