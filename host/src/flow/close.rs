//! Closes a flow after its drain.

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
    /// Counters of received messages and of their fates.
    pub account: Account,
    /// Why the route stopped itself; `None` if it was told to stop.
    pub stopped: Option<Box<str>>,
    /// A thread that has not returned from the handler.
    pub stuck: Option<Stuck>,
    /// The broker client failed permanently; only a new process can continue.
    pub client_failed: bool,
    /// The end of the drain and flush limits.
    pub until: Instant,
    /// Whether the broker did not answer the last commit before `until`.
    pub cut_short: bool,
}

/// Maximum time that a flow waits, after its end, for attempts whose results are no longer used.
pub const LAST_ATTEMPTS: Duration = Duration::from_secs(5);

impl<H: Handler> Flow<H> {
    /// Closes the source, workers, event-id store and transactions concurrently, at the latest at `until`. A part without an
    /// answer by then is left unanswered.
    pub(super) async fn close(self, until: Instant) -> Ending {
        let Self {
            workers, duplicates, transactions, source, machine, mut listeners, health, clock, mut stopped, ..
        } = self;
        // The results of these attempts are no longer used.
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
