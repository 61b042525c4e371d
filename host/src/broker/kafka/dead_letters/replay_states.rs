//! Combines the receipts of a topic into the state of each letter.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rangemap::RangeMap;

use super::receipt::{Receipt, State};
use crate::dead_letters::Replays;

/// The state of letters, by partition and ranges of offsets. The memory of a receipt depends on its text, not on the
/// number of its letters.
#[derive(Debug, Default)]
pub(super) struct ReplayStates {
    partitions: HashMap<i32, RangeMap<i64, Entry>>,
}

/// The state of some letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    replays: Replays,
    /// Id and time of the replay that left the letters in doubt.
    doubt: Option<Arc<(String, String)>>,
}

impl ReplayStates {
    /// Adds a receipt of this partition. Receipts must be added in the order of the log.
    pub(super) fn enter(&mut self, partition: i32, receipt: &Receipt) {
        let entries = self.partitions.entry(partition).or_default();
        let doubt = Arc::new((receipt.replay.clone(), receipt.time.clone()));
        for range in receipt.offsets.ranges() {
            let within = |known: &Range<i64>| known.start.max(range.start)..known.end.min(range.end);
            let known = entries.overlapping(&range).map(|(known, entry)| (within(known), entry.clone()));
            let unknown = entries.gaps(&range).map(|unknown| (unknown, Entry::default()));
            let changed: Vec<(Range<i64>, Entry)> = known.chain(unknown).collect();
            for (range, mut entry) in changed {
                entry.change(receipt, &doubt);
                entries.insert(range, entry);
            }
        }
    }

    pub(super) fn replays(&self, partition: i32, offset: i64) -> Replays {
        self.entry(partition, offset).map(|entry| entry.replays).unwrap_or_default()
    }

    /// Returns the id and time of the interrupted replay that may have sent this letter.
    pub(super) fn doubt(&self, partition: i32, offset: i64) -> Option<&(String, String)> {
        self.entry(partition, offset)?.doubt.as_deref()
    }

    fn entry(&self, partition: i32, offset: i64) -> Option<&Entry> {
        self.partitions.get(&partition)?.get(&offset)
    }
}

impl Entry {
    fn change(&mut self, receipt: &Receipt, doubt: &Arc<(String, String)>) {
        self.replays.in_doubt = receipt.state == State::Sending;
        self.doubt = self.replays.in_doubt.then(|| Arc::clone(doubt));
        if receipt.state == State::Replayed {
            self.replays.count = self.replays.count.saturating_add(1);
            self.replays.last = self.replays.last.max(receipt.began());
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::time::Time;

    use super::*;

    fn receipt(state: State, replay: &str, offsets: &str) -> Receipt {
        let time = Time::from_millis(if replay == "a" { 1_000 } else { 2_000 }).to_string();
        let offsets = offsets.to_owned().try_into().expect("ranges");
        Receipt { state, replay: replay.into(), time, topic: "dead".into(), offsets }
    }

    #[test]
    fn what_was_being_sent_and_was_not_replayed_is_in_doubt() {
        let mut states = ReplayStates::default();
        states.enter(0, &receipt(State::Sending, "a", "1-4"));
        states.enter(0, &receipt(State::Replayed, "a", "1-2"));
        states.enter(0, &receipt(State::Sending, "b", "2"));
        states.enter(0, &receipt(State::Replayed, "b", "2"));
        states.enter(0, &receipt(State::Refused, "a", "4"));
        let once = Replays { count: 1, last: Some(Time::from_millis(1_000)), in_doubt: false };
        assert_eq!(states.replays(0, 1), once);
        assert_eq!(states.replays(0, 2), Replays { count: 2, last: Some(Time::from_millis(2_000)), in_doubt: false });
        assert_eq!(states.replays(0, 3), Replays { in_doubt: true, ..Replays::default() });
        assert_eq!(states.doubt(0, 3).map(|(id, _)| &**id), Some("a"));
        assert_eq!(states.replays(0, 4), Replays::default());
        assert_eq!((states.doubt(0, 2), states.replays(1, 1)), (None, Replays::default()));
    }

    #[test]
    fn a_receipt_of_any_number_of_letters_takes_no_room_for_each() {
        let mut states = ReplayStates::default();
        states.enter(0, &receipt(State::Replayed, "a", "5,7-9223372036854775805"));
        assert_eq!(states.replays(0, i64::MAX - 3).count, 1);
        assert_eq!((states.replays(0, 6).count, states.partitions[&0].len()), (0, 2));
    }
}
