//! The end of a flow.

use std::time::Duration;

use cofferdam_core::machine::Account;
use tokio::time::{Instant, timeout_at};

use super::Flow;
use crate::admin::Stuck;
use crate::handler::Handler;
use crate::listener::End;

/// How a flow ended.
#[derive(Debug)]
pub struct Ending {
    /// What came and what became of it.
    pub account: Account,
    /// Why it stopped by itself, if it did.
    pub stopped: Option<Box<str>>,
    /// A thread that has not come back from its handler.
    pub stuck: Option<Stuck>,
    /// Its client of the broker has failed for good: only another process can go on.
    pub client_failed: bool,
    /// When the limits of its stop are over.
    pub until: Instant,
    /// A broker has not answered the last commit within them.
    pub cut_short: bool,
}

/// How long a flow that has ended waits for attempts that nobody waits for any more.
pub const LAST_ATTEMPTS: Duration = Duration::from_secs(5);

impl<H: Handler> Flow<H> {
    /// Everything that is left ends, side by side, at most until then: who has no answer by then has none.
    pub(super) async fn close(self, until: Instant) -> Ending {
        let Self {
            workers, duplicates, transactions, source, machine, mut listeners, health, clock, mut stopped, ..
        } = self;
        // Those that nobody waits for any more.
        let left = LAST_ATTEMPTS.min(until.saturating_duration_since(Instant::now()));
        let attempts = workers.close(left);
        let records = async {
            if let Some(duplicates) = &duplicates
                && timeout_at(until, duplicates.close()).await.is_err()
            {
                tracing::warn!("the store of event ids did not answer before the end");
            }
        };
        let transactions = async {
            if let Some(transactions) = transactions {
                transactions.close(until).await;
            }
        };
        let (closed, all_ended, ..) = tokio::join!(source.close(until), attempts, records, transactions);
        let stuck = if all_ended { None } else { health.stuck_in_handler(LAST_ATTEMPTS / 2) };
        let cut_short = machine.was_cut_short();
        if cut_short {
            tracing::warn!("the last commit was not confirmed within the limits of the stop");
        }
        let failure = closed.err();
        listeners.end(&End { failure: failure.as_deref(), machine: &machine, now: clock.now() });
        let client_failed = failure.is_some();
        if let Some(reason) = failure {
            stopped.get_or_insert(reason.into());
        }
        Ending { account: *machine.account(), stopped, stuck, client_failed, until, cut_short }
    }
}
