//! How far a source that acknowledges each message may receive ahead of what can start.
//!
//! What is received and not started is kept from other hosts. It costs the message one of its receives when the host stops or
//! dies, and after `maxReceiveCount` of them the queue moves it away unseen. So the host receives what it can start at once, and beyond that
//! as many messages as have begun in a second: a reserve for the time that a poll takes. Where attempts take longer than
//! that there is no reserve, and a poll goes out when a worker is free.

use std::time::Duration;

use super::Machine;
use crate::time::Time;

/// Over this time the beginning of messages is counted; far shorter than any lease.
const WINDOW: Duration = Duration::from_secs(1);

/// Messages of one group that a queue hands out together: so many may stand behind each one that runs.
const TOGETHER: usize = 10;

/// Messages of a queue that no attempt has begun on, and how fast they begin.
#[derive(Debug, Default)]
pub(super) struct Prefetch {
    /// Live, and not begun.
    pub(super) unstarted: usize,
    /// When the present window began.
    since: Time,
    /// Begun in the present window.
    begun: usize,
    /// Begun in the one before.
    before: usize,
}

impl Prefetch {
    /// Another message has come.
    pub(super) fn received(&mut self) {
        self.unstarted += 1;
    }

    /// The first attempt on a message begins.
    pub(super) fn begins(&mut self, now: Time) {
        self.unstarted -= 1;
        self.turn(now);
        self.begun += 1;
    }

    /// A message has come to its end and was never begun.
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

    /// How many messages may wait for a worker.
    fn reserve(&mut self, now: Time) -> usize {
        self.turn(now);
        self.begun.max(self.before)
    }
}

impl Machine {
    /// How many messages the source may still hand over, those that are granted already included; `None` where a record
    /// that waits costs nothing.
    pub(super) fn lookahead(&mut self, now: Time) -> Option<u32> {
        if !self.route.source.acknowledges_each() {
            return None;
        }
        let concurrency = self.route.concurrency as usize;
        let idle = concurrency.saturating_sub(self.running as usize);
        // In a pause nothing begins by itself.
        let (idle, reserve) = match self.pause.wanted() {
            Some(wanted) => (idle.min(wanted as usize), 0),
            None => (idle, self.prefetch.reserve(now)),
        };
        // Those behind a message that waits for its next attempt cannot begin, whatever is free: they are no reserve.
        let waiting = self.prefetch.unstarted.saturating_sub(self.lanes.halted());
        let mut room = (reserve + idle).saturating_sub(waiting);
        // Those behind one that runs are none either, as long as something is idle.
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
