//! Limits the rate at which dead letters are sent.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A number of dead letters in a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Number of dead letters, at least 1.
    pub letters: u32,
    /// The period.
    pub per: Duration,
}

impl Rate {
    /// Maximum size of a batch, so that it takes at most `time` and has at most `most` dead letters.
    pub(crate) fn batch(rate: Option<Self>, time: Duration, most: usize) -> usize {
        let Some(rate) = rate else { return most };
        let letters = f64::from(rate.letters) * time.as_secs_f64() / rate.per.as_secs_f64();
        // The value is far below the precision limit of a float, and never negative.
        (letters as usize).clamp(1, most)
    }
}

/// Delays each dead letter so that the rate is kept.
pub(crate) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| rate.per / rate.letters.max(1));
        Self { interval, next: Instant::now() }
    }

    /// Waits until the next dead letter may be sent, without counting it.
    pub(crate) async fn ready(&self) {
        if self.next > Instant::now() {
            sleep_until(self.next).await;
        }
    }

    /// Waits until one dead letter may be sent, and counts it. Unused time does not allow a burst later.
    pub(crate) async fn turn(&mut self) {
        self.ready().await;
        self.next = self.next.max(Instant::now()) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::BATCH;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_letters_leave_in_a_time_than_the_rate_says() {
        let mut pace = Pace::new(Some(Rate { letters: 50, per: Duration::from_secs(1) }));
        let start = Instant::now();
        for _ in 0..101 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..51 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1), "a pause is not made up for");
    }

    #[test]
    fn a_batch_is_small_where_the_rate_is() {
        let batch = |letters, seconds| {
            let rate = Some(Rate { letters, per: Duration::from_secs(seconds) });
            Rate::batch(rate, Duration::from_secs(1), BATCH)
        };
        assert_eq!((batch(50, 1), batch(1, 60), batch(1_000, 1)), (50, 1, BATCH));
        assert_eq!(Rate::batch(None, Duration::from_secs(1), BATCH), BATCH);
    }
}
