//! Tells attempts that run for long from those whose thread had to wait for a core.

use std::sync::atomic::{AtomicU32, Ordering};

/// Attempts that are looked at closely after one that was long by the wall clock: of a plugin that is long each time the
/// first shows it, and of one that is long now and then, some.
const CLOSELY: u32 = 32;

/// Whether the attempts of a plugin are to be timed by the clock of their thread, which costs each some 0.3 microseconds. The
/// wall clock costs nothing, and on busy cores it also shows long attempts that only were not let run.
/// Attempts that begin or end at the same time may be counted as one, which does no harm.
#[derive(Debug, Default)]
pub(super) struct Suspicion(AtomicU32);

impl Suspicion {
    /// An attempt was long by the wall clock.
    pub(super) fn arise(&self) {
        self.0.store(CLOSELY, Ordering::Relaxed);
    }

    /// An attempt begins: whether it is to be looked at closely.
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
