//! The wait before a retry.

use std::time::Duration;

/// The retry policy of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// Wait after the first attempt.
    pub initial_delay: Duration,
    /// Longest wait, also for waits requested by handlers.
    pub max_delay: Duration,
    /// Growth factor of the wait per attempt; at least 1.
    pub multiplier: f64,
    /// Jitter: the share of the wait by which it varies randomly, up or down; 0 to 1.
    pub jitter: f64,
    /// Longest total wait of a deferred message before it becomes a dead letter.
    pub max_age: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            multiplier: 2.0,
            jitter: 0.2,
            max_age: Duration::from_secs(3_600),
        }
    }
}

impl Retry {
    /// The wait after attempt number `attempt` (from 1): exponential, spread by `chance` (0 to 1), and at most
    /// `max_delay`. A wait requested by the handler replaces it, without jitter.
    pub fn delay(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
        if let Some(asked) = asked {
            return asked.min(self.max_delay);
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_delay.as_secs_f64() * self.multiplier.powi(exponent);
        let spread = 1.0 + self.jitter * (2.0 * chance - 1.0);
        let capped = grown.min(self.max_delay.as_secs_f64()) * spread;
        Duration::try_from_secs_f64(capped).unwrap_or(self.max_delay).min(self.max_delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    #[test]
    fn doubles_up_to_the_longest_wait() {
        let retry = Retry::default();
        let waits: Vec<u64> = (1..=8).map(|attempt| retry.delay(attempt, None, MIDDLE).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry.delay(u32::MAX, None, MIDDLE), retry.max_delay);
    }

    #[test]
    fn chance_moves_it_by_the_jitter_at_most() {
        let retry = Retry::default();
        assert_eq!(retry.delay(1, None, 0.0), Duration::from_millis(800));
        assert_eq!(retry.delay(1, None, 1.0), Duration::from_millis(1200));
        assert_eq!(retry.delay(8, None, 1.0), retry.max_delay);
    }

    #[test]
    fn a_handlers_wish_is_clamped_to_the_policy() {
        let retry = Retry::default();
        assert_eq!(retry.delay(3, Some(Duration::from_millis(5)), 1.0), Duration::from_millis(5));
        assert_eq!(retry.delay(1, Some(Duration::from_secs(900)), 0.0), retry.max_delay);
    }
}
