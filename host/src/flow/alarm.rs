//! When the machine wants to be woken: a timer that is touched only where that time has changed, which in most rounds it
//! has not.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// What it is set to; `None` where it is not, or has rung.
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

    /// Ends when it rings, once. Nothing is lost by dropping the future.
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
        // A time that has passed, also the same one.
        alarm.set(Some(started + Duration::from_secs(20)));
        alarm.rings().await;
        alarm.set(None);
        assert!(tokio::time::timeout(Duration::from_secs(9), alarm.rings()).await.is_err(), "it was switched off");
    }
}
