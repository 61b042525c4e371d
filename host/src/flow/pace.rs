//! Estimates how long the attempts of a route take. Long attempts should not start on the threads of quick ones; very quick
//! ones cost less on the flow's own thread than a hand-over to another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// CPU time from which an attempt, or a single poll of its task, counts as long.
pub(super) const LONG: Duration = Duration::from_millis(1);

/// Weight of a long attempt against a quick one: if at most one attempt in nine is long, attempts still start on the quick
/// threads.
const LONG_WEIGHT: u32 = 8;
/// Weight at which attempts start on the slow threads: that of three long attempts in a row.
const MOSTLY_LONG: u32 = 3 * LONG_WEIGHT;
/// Maximum weight, so that old attempts stop counting.
const MOST: u32 = 8 * LONG_WEIGHT;

/// Approximate CPU time to hand a message to another thread and back at a low rate, when few messages share a hand-over: two
/// threads must wake up.
const HAND_OVER: Duration = Duration::from_micros(60);
/// Each attempt changes the mean by this fraction (one part in 64). A single long attempt among quick ones has little
/// influence; it may have been a quick one whose thread waited for a CPU.
const MEMORY: u32 = 64;

/// Recent durations of a route's attempts. Concurrent updates may overwrite each other, which is harmless.
#[derive(Debug)]
pub(super) struct Pace {
    weight: AtomicU32,
    /// Mean CPU time of the recent attempts, in microseconds multiplied by [`MEMORY`].
    mean: AtomicU32,
}

impl Default for Pace {
    /// A new route is assumed not to be quick.
    fn default() -> Self {
        Self { weight: AtomicU32::new(0), mean: AtomicU32::new(MEMORY * 1_000) }
    }
}

impl Pace {
    /// Records the CPU time of an attempt, in microseconds.
    pub(super) fn note(&self, cpu_us: u64) {
        let mean = self.mean.load(Ordering::Relaxed);
        let latest = u32::try_from(cpu_us).unwrap_or(u32::MAX).min(LONG.as_micros() as u32);
        self.mean.store(mean - mean / MEMORY + latest, Ordering::Relaxed);
        let before = self.weight.load(Ordering::Relaxed);
        let is_long = u128::from(cpu_us) >= LONG.as_micros();
        let after = if is_long { (before + LONG_WEIGHT).min(MOST) } else { before.saturating_sub(1) };
        if after != before {
            self.weight.store(after, Ordering::Relaxed);
        }
    }

    /// Whether the next attempt is probably a long one.
    pub(super) fn is_mostly_long(&self) -> bool {
        self.weight.load(Ordering::Relaxed) >= MOSTLY_LONG
    }

    /// The number of attempts that will probably end within `time` if run one after the other; 0 if a hand-over to another
    /// thread costs less.
    pub(super) fn fit_into(&self, time: Duration) -> usize {
        let mean = self.mean.load(Ordering::Relaxed) / MEMORY;
        if u128::from(mean) > HAND_OVER.as_micros() {
            return 0;
        }
        // A mean of 0 microseconds counts as 1.
        usize::try_from(time.as_micros() / u128::from(mean.max(1))).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_long_ones_among_quick_ones_do_not_count() {
        let pace = Pace::default();
        for number in 0..1_000 {
            pace.note(if number % 10 == 0 { 5_000 } else { 20 });
            assert!(!pace.is_mostly_long(), "after {number}");
        }
    }

    #[test]
    fn attempts_are_done_at_once_when_they_are_known_to_be_quick() {
        const TIME: Duration = Duration::from_micros(200);
        let pace = Pace::default();
        assert_eq!(pace.fit_into(TIME), 0);
        (0..1_000).for_each(|_| pace.note(4));
        assert!((40..=66).contains(&pace.fit_into(TIME)), "{}", pace.fit_into(TIME));
        pace.note(5_000);
        assert!((8..=20).contains(&pace.fit_into(TIME)), "one was long: {}", pace.fit_into(TIME));
        (0..3).for_each(|_| pace.note(5_000));
        assert_eq!(pace.fit_into(TIME), 0, "four of the latest were long");
        (0..1_000).for_each(|_| pace.note(0));
        assert_eq!(pace.fit_into(TIME), 200);
        (0..1_000).for_each(|_| pace.note(90));
        assert_eq!(pace.fit_into(TIME), 0);
    }

    #[test]
    fn long_ones_are_known_after_three_and_forgotten_after_quick_ones() {
        let pace = Pace::default();
        pace.note(1_000);
        pace.note(1_000);
        assert!(!pace.is_mostly_long());
        (0..100).for_each(|_| pace.note(1_000));
        assert!(pace.is_mostly_long());
        (0..MOST).for_each(|_| pace.note(999));
        assert!(!pace.is_mostly_long());
    }
}
