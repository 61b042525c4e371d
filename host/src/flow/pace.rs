//! Whether the attempts of a route are mostly long ones, which had better not begin where quick ones do.

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

/// Weighs what a route's attempts took. Notes that come at the same time may be lost, which does no harm.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU32);

impl Pace {
    /// An attempt has taken so many microseconds of a thread.
    pub(super) fn note(&self, cpu_us: u64) {
        let before = self.0.load(Ordering::Relaxed);
        let is_long = u128::from(cpu_us) >= LONG.as_micros();
        let after = if is_long { (before + LONG_WEIGHT).min(MOST) } else { before.saturating_sub(1) };
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }

    /// Whether the next attempt is likely to be a long one.
    pub(super) fn is_mostly_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MOSTLY_LONG
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
