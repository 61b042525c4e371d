//! How long the attempts of a route take: long ones had better not begin where quick ones do, and very quick ones are done
//! sooner than handed to another thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// An attempt that keeps a thread for this long at a time is not a quick one.
pub(super) const LONG: Duration = Duration::from_millis(1);

/// A long attempt weighs as much as so many quick ones: where one in nine is long, most begin with the quick.
const LONG_WEIGHT: u32 = 8;
/// From here on attempts begin with the long ones: three long ones in a row.
const MOSTLY_LONG: u32 = 3 * LONG_WEIGHT;
/// What came long ago does not count.
const MOST: u32 = 8 * LONG_WEIGHT;

/// To hand a message to another thread and to take it back costs about as much, where few go together: two threads wake for it.
/// At 500 messages a second, a host took 3 and 17 % less of a processor with 80 than with 20.
const HAND_OVER: Duration = Duration::from_micros(60);
/// The mean is moved by one part in so many: little enough that a single long one among quick ones does not show, for it
/// may have been a quick one whose thread had to wait for a processor.
const MEMORY: u32 = 64;

/// Weighs what a route's attempts took. Notes that come at the same time may be lost, which does no harm.
#[derive(Debug)]
pub(super) struct Pace {
    weight: AtomicU32,
    /// The mean of late, microseconds times [`MEMORY`].
    mean: AtomicU32,
}

impl Default for Pace {
    /// Nothing is known to be quick before it was seen.
    fn default() -> Self {
        Self { weight: AtomicU32::new(0), mean: AtomicU32::new(MEMORY * 1_000) }
    }
}

impl Pace {
    /// An attempt has taken so many microseconds of a thread.
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

    /// Whether the next attempt is likely to be a long one.
    pub(super) fn is_mostly_long(&self) -> bool {
        self.weight.load(Ordering::Relaxed) >= MOSTLY_LONG
    }

    /// How many attempts are likely to end within `time`, one after the other; none where they are worth another thread.
    pub(super) fn fit_into(&self, time: Duration) -> usize {
        let mean = self.mean.load(Ordering::Relaxed) / MEMORY;
        if u128::from(mean) > HAND_OVER.as_micros() {
            return 0;
        }
        // One that takes no time that can be measured takes a microsecond.
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
