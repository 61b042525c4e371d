//! The timer for the machine's next wake-up time. It is reset only if that time has changed; in most rounds it has not.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// The time that the timer is set to; `None` if it is off or has already fired.
    at: Option<Instant>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), at: None }
    }
}

impl Alarm {
    pub(super) fn set(&mut self, at: Option<Instant>) {
        if let (true, Some(at)) = (at != self.at, at) {
            self.sleep.as_mut().reset(at);
        }
        self.at = at;
    }

    /// Completes once, when the timer fires. The future is cancel-safe: dropping it loses nothing.
    pub(super) async fn rings(&mut self) {
        if self.at.is_none() {
            return std::future::pending().await;
        }
        self.sleep.as_mut().await;
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_once_at_the_time_that_was_set_last() {
        let started = Instant::now();
        let mut alarm = Alarm::default();
        assert!(tokio::time::timeout(Duration::from_secs(9), alarm.rings()).await.is_err(), "it was not set");
        for seconds in [60, 20, 20] {
            alarm.set(Some(started + Duration::from_secs(seconds)));
        }
        alarm.rings().await;
        assert_eq!(started.elapsed(), Duration::from_secs(20));
        assert!(tokio::time::timeout(Duration::from_secs(9), alarm.rings()).await.is_err(), "it has rung");
        // A past time fires too, even the same time again.
        alarm.set(Some(started + Duration::from_secs(20)));
        alarm.rings().await;
        alarm.set(None);
        assert!(tokio::time::timeout(Duration::from_secs(9), alarm.rings()).await.is_err(), "it was switched off");
    }
}
