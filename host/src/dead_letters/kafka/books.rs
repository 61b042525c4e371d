//! What the receipts of a topic come to.

use std::collections::HashMap;

use super::super::Replays;
use super::receipt::{Receipt, State, offsets};

/// What became of each letter, by partition and offset.
#[derive(Debug, Default)]
pub(super) struct Books {
    replays: HashMap<(i32, i64), Replays>,
    /// Replay and the time it began, of what is in doubt.
    doubts: HashMap<(i32, i64), (String, String)>,
}

impl Books {
    /// Enters a receipt of this partition; in the order in which they stand there.
    pub(super) fn enter(&mut self, partition: i32, receipt: Receipt) {
        for offset in offsets(&receipt.offsets) {
            let replays = self.replays.entry((partition, offset)).or_default();
            match receipt.state {
                State::Sending => {
                    replays.in_doubt = true;
                    self.doubts.insert((partition, offset), (receipt.replay.clone(), receipt.time.clone()));
                }
                State::Replayed => {
                    replays.in_doubt = false;
                    replays.count = replays.count.saturating_add(1);
                    replays.last = replays.last.max(receipt.began());
                    self.doubts.remove(&(partition, offset));
                }
                State::Refused => {
                    replays.in_doubt = false;
                    self.doubts.remove(&(partition, offset));
                }
            }
        }
    }

    pub(super) fn replays(&self, partition: i32, offset: i64) -> Replays {
        self.replays.get(&(partition, offset)).copied().unwrap_or_default()
    }

    /// Id and time of the interrupted replay that may have sent this letter.
    pub(super) fn doubt(&self, partition: i32, offset: i64) -> Option<&(String, String)> {
        self.doubts.get(&(partition, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_core::time::Time;

    fn receipt(state: State, replay: &str, offsets: &str) -> Receipt {
        let time = Time::from_millis(if replay == "a" { 1_000 } else { 2_000 }).to_string();
        Receipt { state, replay: replay.into(), time, topic: "dead".into(), offsets: offsets.into() }
    }

    #[test]
    fn what_was_being_sent_and_was_not_replayed_is_in_doubt() {
        let mut books = Books::default();
        books.enter(0, receipt(State::Sending, "a", "1-4"));
        books.enter(0, receipt(State::Replayed, "a", "1-2"));
        books.enter(0, receipt(State::Sending, "b", "2"));
        books.enter(0, receipt(State::Replayed, "b", "2"));
        books.enter(0, receipt(State::Refused, "a", "4"));
        let once = Replays { count: 1, last: Some(Time::from_millis(1_000)), in_doubt: false };
        assert_eq!(books.replays(0, 1), once);
        assert_eq!(books.replays(0, 2), Replays { count: 2, last: Some(Time::from_millis(2_000)), in_doubt: false });
        assert_eq!(books.replays(0, 3), Replays { in_doubt: true, ..Replays::default() });
        assert_eq!(books.doubt(0, 3).map(|(id, _)| &**id), Some("a"));
        assert_eq!(books.replays(0, 4), Replays::default());
        assert_eq!((books.doubt(0, 2), books.replays(1, 1)), (None, Replays::default()));
    }
}
