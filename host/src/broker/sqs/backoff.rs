//! A backoff with jitter, and a limit for the rate of a log line.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// A backoff that doubles from `first` to `longest`. Jitter shortens each wait by up to half.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Creates a backoff that starts at `first`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Returns the next wait: between half of the current step and the whole step.
    pub fn wait(&mut self) -> Duration {
        let step = self.next.min(self.longest);
        self.next = step.saturating_mul(2);
        // The keys of a hasher are random, and nothing else here needs a random number generator.
        let part = RandomState::new().build_hasher().finish() % 1024;
        step / 2 + (step / 2).mul_f64(part as f64 / 1023.0)
    }

    /// Starts again at the first wait, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Limits a log line to one in 10 s.
#[derive(Debug, Default)]
pub struct Seldom {
    last: Option<Instant>,
    kept: u64,
}

impl Seldom {
    /// Returns `Some` if the line was not logged for 10 s, with the number of times it was suppressed since.
    pub fn say(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < Duration::from_secs(10)) {
            self.kept += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        for step in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let wait = backoff.wait();
            assert!(wait >= Duration::from_millis(step / 2) && wait <= Duration::from_millis(step), "{step}: {wait:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }

    #[test]
    fn something_is_said_once_in_a_while() {
        let (mut seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.say(now), Some(0));
        assert_eq!(seldom.say(now), None);
        assert_eq!(seldom.say(now + Duration::from_secs(9)), None);
        assert_eq!(seldom.say(now + Duration::from_secs(10)), Some(2));
    }
}
