//! Counts how many messages and bytes the source may still return.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::broker::sqs::batch::MOST;

/// The assumed size of a message before the first was received, in bytes.
const FIRST_GUESS: i64 = 64 * 1024;

/// The grants of the core, less the messages that were returned and the reservations of running polls.
#[derive(Debug)]
pub(super) struct Balance {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    messages: i64,
    bytes: i64,
    /// The largest recent message, in bytes; the assumed size of the next one.
    size: i64,
}

/// The reservation of one poll.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Number of messages, 1 to 10.
    pub(super) messages: i32,
    bytes: i64,
}

impl Default for Balance {
    fn default() -> Self {
        Self { state: Mutex::new(State { messages: 0, bytes: 0, size: FIRST_GUESS }), changed: Notify::new() }
    }
}

impl Balance {
    /// Adds a grant.
    pub(super) fn grant(&self, messages: u32, bytes: u64) {
        let mut state = self.state();
        state.messages = state.messages.saturating_add(i64::from(messages));
        state.bytes = state.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        drop(state);
        self.changed.notify_one();
    }

    /// Returns whether no poll may start before the next grant or settlement.
    pub(super) fn is_empty(&self) -> bool {
        self.state().room() < 1
    }

    /// Reserves capacity for a poll; returns `None` if there is capacity for fewer than `least` messages.
    ///
    /// The sizes of future messages are unknown, so bytes are reserved by the largest recent message. A poll may exceed
    /// its reservation.
    pub(super) fn take(&self, least: i32) -> Option<Share> {
        let mut state = self.state();
        let messages = state.room();
        if messages < least.max(1) {
            return None;
        }
        let share = Share { messages, bytes: i64::from(messages) * state.size };
        state.messages -= i64::from(messages);
        state.bytes -= share.bytes;
        Some(share)
    }

    /// Returns the unused part of a reservation. `sizes` are the sizes of the received records.
    #[expect(clippy::needless_pass_by_value, reason = "a share is settled once")]
    pub(super) fn settle(&self, share: Share, sizes: impl Iterator<Item = usize>) {
        let (mut messages, mut bytes, mut largest) = (0, 0, 0);
        for size in sizes {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            messages += 1;
            bytes += size;
            largest = largest.max(size);
        }
        let mut state = self.state();
        state.messages += i64::from(share.messages) - messages;
        state.bytes += share.bytes - bytes;
        if messages > 0 {
            state.size = largest.max(state.size - state.size / 8).max(1);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until capacity may have grown. For one waiter.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl State {
    /// Returns how many messages a poll may receive, 0 to 10.
    fn room(&self) -> i32 {
        if self.messages < 1 || self.bytes < 1 {
            return 0;
        }
        let by_bytes = (self.bytes / self.size).max(1);
        i32::try_from(self.messages.min(by_bytes).min(MOST as i64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_share_what_was_granted_and_no_more() {
        let balance = Balance::default();
        assert_eq!(balance.take(1), None);
        balance.grant(15, 100 << 20);
        let first = balance.take(1).unwrap();
        let second = balance.take(1).unwrap();
        assert_eq!((first.messages, second.messages), (10, 5));
        assert!(balance.is_empty());
        balance.settle(first, [100; 4].into_iter());
        assert_eq!(balance.take(7), None);
        assert_eq!(balance.take(1).unwrap().messages, 6);
        balance.settle(second, std::iter::empty());
        assert_eq!(balance.take(1).unwrap().messages, 5);
    }

    #[test]
    fn no_poll_goes_out_without_room_in_bytes() {
        let balance = Balance::default();
        balance.grant(1000, 1 << 20);
        let share = balance.take(1).unwrap();
        balance.settle(share, [300 << 10; 10].into_iter());
        assert!(balance.is_empty(), "3 MiB were handed over of 1 MiB");
        balance.grant(0, 3 << 20);
        assert_eq!(balance.take(1).unwrap().messages, 3, "messages were large of late");
    }
}
