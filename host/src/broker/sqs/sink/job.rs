//! A message that waits to be sent to a queue.

use tokio::time::Instant;

use super::entry::Entry;
use super::unanswered::Counted;
use crate::sink::Ticket;

/// A message to send.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Entry,
    pub(super) ticket: Ticket,
    /// The time at which it is refused as unavailable; `None` means never.
    pub(super) until: Option<Instant>,
    /// Dropped after the ticket, so that a publication does not count as answered before its ticket is settled.
    pub(super) _counted: Counted,
}

impl Job {
    /// Returns whether the time limit of the message has passed.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}
