//! What is known of one partition.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Number, Receipt};

/// Commits that are remembered until the broker confirms them; a host asks for one at a time.
const ASKED: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Partition {
    /// Who has it by right; 0 for nobody.
    pub(super) owner: u32,
    /// Who thinks to have it.
    pub(super) believers: BTreeSet<u32>,
    /// Produced, and no commit confirmed beyond it.
    pub(super) open: BTreeMap<i64, Number>,
    /// Of them received by the owner.
    pub(super) held: BTreeSet<i64>,
    /// Who had it before the owner and thought so when the owner was assigned; until the broker has taken a commit.
    pub(super) before: Option<Before>,
    /// The highest offset that the broker has confirmed.
    pub(super) committed: i64,
    /// Commits asked for and not confirmed, the newest last.
    pub(super) asked: Vec<Asked>,
    /// Its topic was deleted, and the group's offset with it.
    pub(super) deleted: bool,
}

/// What a host had of a partition.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) host: u32,
    /// Its receipts as they were then, or as they were settled since.
    pub(super) receipts: BTreeMap<Number, Receipt>,
}

/// A commit that the broker has not confirmed.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) host: u32,
    pub(super) offset: i64,
    /// The host had the partition when it asked.
    pub(super) by_owner: bool,
    /// What the broker had confirmed by then. A host that stands still hears late of what the broker did long before.
    pub(super) after: i64,
    pub(super) finished: Vec<(i64, i64)>,
    pub(super) attempts: Vec<(i64, u32)>,
    /// The broker has confirmed a later one, or the partition was assigned anew since.
    pub(super) superseded: bool,
}

impl Partition {
    pub(super) fn ask(&mut self, asked: Asked) {
        if self.asked.len() == ASKED {
            self.asked.remove(0);
        }
        self.asked.push(asked);
    }

    /// The commit that the broker confirms; older ones of the same host are forgotten.
    pub(super) fn confirm(&mut self, host: u32, offset: i64) -> Option<Asked> {
        let place = self.asked.iter().rposition(|asked| (asked.host, asked.offset) == (host, offset))?;
        let confirmed = self.asked.remove(place);
        for older in self.asked[..place].iter_mut().filter(|asked| asked.host == host) {
            older.superseded = true;
        }
        let mut before = place;
        self.asked.retain(|asked| {
            let older = before > 0;
            before = before.saturating_sub(1);
            // One that only carries more progress than the one before is answered for itself.
            !(older && asked.host == host && asked.offset != offset)
        });
        Some(confirmed)
    }

    /// The host does not think any more that it has the partition.
    pub(super) fn forget(&mut self, host: u32) {
        self.believers.remove(&host);
        self.before.take_if(|before| before.host == host);
    }

    /// Whether this host has asked for a commit since it has the partition, and the broker has confirmed neither that one
    /// nor a later one.
    pub(super) fn is_unconfirmed(&self, host: u32) -> bool {
        self.asked.iter().any(|asked| asked.host == host && !asked.superseded)
    }
}
