//! Rate limit for log lines.

use std::time::Duration;

use cofferdam_core::time::Time;

/// Maximum number of lines of one event per second, for each route.
pub const LINES_PER_SECOND: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// The rate limit of one event.
#[derive(Debug)]
pub(super) struct Budget {
    event: &'static str,
    since: Time,
    written: u32,
    dropped: u64,
}

impl Budget {
    pub(super) fn new(event: &'static str) -> Self {
        Self { event, since: Time::default(), written: 0, dropped: 0 }
    }

    /// Returns the event.
    pub(super) fn event(&self) -> &'static str {
        self.event
    }

    /// Returns whether one more line may be written now; otherwise counts it as dropped. Call [`Budget::dropped`]
    /// first: this call may begin a new second.
    pub(super) fn take(&mut self, now: Time) -> bool {
        if now.since(self.since) >= SECOND {
            self.since = now;
            self.written = 0;
        }
        if self.written < LINES_PER_SECOND {
            self.written += 1;
            return true;
        }
        self.dropped += 1;
        false
    }

    /// Returns the number of lines that were dropped in a second that is over, if any. Each dropped line is returned
    /// once.
    pub(super) fn dropped(&mut self, now: Time) -> Option<u64> {
        let tell = self.dropped > 0 && now.since(self.since) >= SECOND;
        tell.then(|| std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_rest_is_told_when_it_is_over() {
        let mut budget = Budget::new("message_dlq");
        let start = Time::from_millis(1_000_000);
        assert!((0..LINES_PER_SECOND).all(|_| budget.take(start)));
        assert!(!budget.take(start) && !budget.take(start.after(SECOND / 2)));
        assert_eq!(budget.dropped(start.after(SECOND / 2)), None);
        assert_eq!(budget.dropped(start.after(SECOND)), Some(2));
        assert_eq!(budget.dropped(start.after(SECOND)), None);
        assert!(budget.take(start.after(SECOND)));
    }
}
