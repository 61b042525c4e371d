//! What the source may still hand over.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::broker::sqs::batch::MOST;

/// What is taken for the size of a message before one was seen, bytes.
const FIRST_GUESS: i64 = 64 * 1024;

/// Grants of the core, less what was handed over and what polls under way may bring.
#[derive(Debug)]
pub(super) struct Balance {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    messages: i64,
    bytes: i64,
    /// The largest message of late, which is how much room a message is taken to need.
    size: i64,
}

/// What one poll may bring.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Messages, 1 to 10.
    pub(super) messages: i32,
    bytes: i64,
}

impl Default for Balance {
    fn default() -> Self {
        Self { state: Mutex::new(State { messages: 0, bytes: 0, size: FIRST_GUESS }), changed: Notify::new() }
    }
}

impl Balance {
    /// More room.
    pub(super) fn grant(&self, messages: u32, bytes: u64) {
        let mut state = self.state();
        state.messages = state.messages.saturating_add(i64::from(messages));
        state.bytes = state.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        drop(state);
        self.changed.notify_one();
    }

    /// Whether nothing can be taken before the next grant or settlement.
    pub(super) fn is_empty(&self) -> bool {
        self.state().room() < 1
    }

    /// Reserves room for a poll, if there is room for at least so many messages.
    ///
    /// How large messages will be is not known beforehand: room in bytes is reserved by the largest of late, and a
    /// poll may go over it.
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

    /// Gives back what a poll did not bring. `sizes` are those of the records it did.
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

    /// When there may be more room than before; for one waiter.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl State {
    /// How many messages a poll may bring, 0 to 10.
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
