//! Distinguishes attempts that use a CPU for long from those whose thread waited for a CPU.

use std::sync::atomic::{AtomicU32, Ordering};

/// Number of attempts that are timed exactly after one with a long wall time. This includes all attempts of a plugin that is
/// always long, and some of a plugin that is long now and then.
const CLOSELY: u32 = 32;

/// Whether the attempts of a plugin are timed with the clock of their thread, which costs more than the wall clock. On busy
/// CPUs the wall clock also shows long attempts whose thread only waited. Concurrent updates may count as one, which is
/// harmless.
#[derive(Debug, Default)]
pub(super) struct Suspicion(AtomicU32);

impl Suspicion {
    /// Records an attempt with a long wall time.
    pub(super) fn arise(&self) {
        self.0.store(CLOSELY, Ordering::Relaxed);
    }

    /// Called at the start of an attempt; returns whether it must be timed exactly.
    pub(super) fn looks_closely(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left > 0 {
            self.0.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_attempt_some_are_looked_at_closely_and_then_none() {
        let suspicion = Suspicion::default();
        assert!(!suspicion.looks_closely());
        suspicion.arise();
        (0..CLOSELY).for_each(|_| assert!(suspicion.looks_closely()));
        assert!(!suspicion.looks_closely());
    }
}
