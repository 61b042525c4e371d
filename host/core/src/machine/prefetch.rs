//! Limits how far a source with separate acknowledgement may receive ahead of the attempts.
//!
//! A message that is received and not started is kept from other hosts. If the host stops or dies, that costs the message
//! one of its receives, and after `maxReceiveCount` of them the queue moves it away unhandled. So the host receives as many
//! messages as can start at once, plus as many as have started within a second: a reserve for the duration of a poll. If
//! attempts take longer than a second, there is no reserve, and the source polls when a worker is free.

use std::time::Duration;

use super::Machine;
use crate::time::Time;

/// The window for counting started messages; much shorter than a lease.
const WINDOW: Duration = Duration::from_secs(1);

/// Maximum number of messages of one group that a queue delivers together, so that many may wait behind each running one.
const TOGETHER: usize = 10;

/// Queue messages without an attempt, and the rate at which attempts start.
#[derive(Debug, Default)]
pub(super) struct Prefetch {
    /// Number of live messages without an attempt.
    pub(super) unstarted: usize,
    /// Start of the current window.
    since: Time,
    /// Messages started in the current window.
    begun: usize,
    /// Messages started in the previous window.
    before: usize,
}

impl Prefetch {
    /// Records the receipt of a message.
    pub(super) fn received(&mut self) {
        self.unstarted += 1;
    }

    /// Records the start of the first attempt on a message.
    pub(super) fn begins(&mut self, now: Time) {
        self.unstarted -= 1;
        self.turn(now);
        self.begun += 1;
    }

    /// Records the end of a message without an attempt.
    pub(super) fn gone(&mut self) {
        self.unstarted -= 1;
    }

    fn turn(&mut self, now: Time) {
        let windows = now.since(self.since).as_micros() / WINDOW.as_micros();
        if windows > 0 {
            self.before = if windows == 1 { self.begun } else { 0 };
            self.begun = 0;
            self.since = now;
        }
    }

    /// Maximum number of messages that may wait for a worker.
    fn reserve(&mut self, now: Time) -> usize {
        self.turn(now);
        self.begun.max(self.before)
    }
}

impl Machine {
    /// Number of messages that the source may still return, including unused grants; `None` if waiting records cost nothing.
    pub(super) fn lookahead(&mut self, now: Time) -> Option<u32> {
        if !self.route.source.acknowledges_each() {
            return None;
        }
        let concurrency = self.route.concurrency as usize;
        let idle = concurrency.saturating_sub(self.running as usize);
        // In a pause no attempt starts by itself.
        let (idle, reserve) = match self.pause.wanted() {
            Some(wanted) => (idle.min(wanted as usize), 0),
            None => (idle, self.prefetch.reserve(now)),
        };
        // Messages behind one that waits for its retry cannot start, even if workers are free, so they are no reserve.
        let waiting = self.prefetch.unstarted.saturating_sub(self.lanes.halted());
        let mut room = (reserve + idle).saturating_sub(waiting);
        // Messages behind a running one are no reserve either, as long as a worker is idle.
        if room == 0 && self.ready.has_no_first() && waiting < reserve + TOGETHER * concurrency {
            room = idle;
        }
        Some(u32::try_from(room).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_what_has_begun_in_a_second() {
        let mut prefetch = Prefetch::default();
        let at = Time::from_millis;
        (0..300).for_each(|_| prefetch.received());
        assert_eq!(prefetch.reserve(at(1_000_000)), 0);
        (0..100).for_each(|_| prefetch.begins(at(1_000_500)));
        assert_eq!(prefetch.reserve(at(1_000_900)), 100);
        assert_eq!(prefetch.reserve(at(1_001_600)), 100, "as many as in the second before");
        assert_eq!(prefetch.reserve(at(1_003_700)), 0, "nothing has begun for long");
        assert_eq!(prefetch.unstarted, 200);
    }
}
