//! An event-id store in the memory of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::Key;

/// Ids with the times of their recording, the oldest last.
pub(super) struct Memory {
    ids: Mutex<LruCache<Key, Instant>>,
    capacity: usize,
    window: Duration,
}

impl Memory {
    pub(super) fn new(capacity: usize, window: Duration) -> Self {
        // Unbounded for the library, because a bounded cache would allocate its memory at once.
        Self { ids: Mutex::new(LruCache::unbounded()), capacity: capacity.max(1), window }
    }

    pub(super) fn seen(&self, keys: &[Key]) -> Vec<bool> {
        let (ids, now) = (self.lock(), Instant::now());
        keys.iter().map(|key| ids.peek(key).is_some_and(|at| self.is_known(*at, now))).collect()
    }

    pub(super) fn record(&self, keys: &[Key]) {
        let (mut ids, now) = (self.lock(), Instant::now());
        for key in keys {
            ids.put(*key, now);
        }
        while ids.len() > self.capacity || ids.peek_lru().is_some_and(|(_, at)| !self.is_known(*at, now)) {
            ids.pop_lru();
        }
    }

    fn is_known(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) < self.window
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Key, Instant>> {
        // No code panics while it holds the lock.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key([number; 16])
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_a_repeat_makes_young() {
        let memory = Memory::new(3, Duration::from_secs(60));
        for number in [1, 2, 3, 1, 4] {
            memory.record(&[key(number)]);
        }
        assert_eq!(memory.seen(&[1, 2, 3, 4].map(key)), [true, false, true, true]);
        assert_eq!(memory.lock().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_is_unknown_and_then_gone() {
        let memory = Memory::new(100, Duration::from_secs(60));
        memory.record(&[key(1)]);
        tokio::time::advance(Duration::from_secs(59)).await;
        memory.record(&[key(2)]);
        assert_eq!(memory.seen(&[1, 2].map(key)), [true, true]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(memory.seen(&[1, 2].map(key)), [false, true]);
        memory.record(&[key(3)]);
        assert_eq!(memory.lock().len(), 2);
    }
}
