//! Tells attempts that run for long from those whose thread had to wait for a core.

use std::sync::atomic::{AtomicU32, Ordering};

/// Attempts among which a second long one is no accident.
const AMONG: u32 = 64;

/// What the wall clock has shown of the attempts of one plugin. Those that end at the same time may be taken for one, which
/// does no harm.
#[derive(Debug, Default)]
pub(super) struct Suspicion(AtomicU32);

impl Suspicion {
    /// An attempt has ended that was long by the wall clock, or was not; whether the plugin is one whose attempts are.
    pub(super) fn is_confirmed(&self, is_long: bool) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if is_long {
            self.0.store(AMONG, Ordering::Relaxed);
        } else if left > 0 {
            self.0.store(left - 1, Ordering::Relaxed);
        }
        is_long && left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_attempt_among_many_is_an_accident_and_a_second_one_is_not() {
        let suspicion = Suspicion::default();
        for _ in 0..10 {
            assert!(!suspicion.is_confirmed(true));
            (0..AMONG).for_each(|_| assert!(!suspicion.is_confirmed(false)));
        }
        assert!(!suspicion.is_confirmed(true));
        (1..AMONG).for_each(|_| assert!(!suspicion.is_confirmed(false)));
        assert!(suspicion.is_confirmed(true));
        assert!(suspicion.is_confirmed(true));
    }
}
