//! Sends releases in batches: makes messages visible again.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::sqs::backoff::Backoff;
use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::fault::Fault;

use super::call::{Change, call};
use super::shared::{CALLS, Calls, LINGER, Shared, collect, finish, room, whole_seconds};

/// Attempts before a release is left to the end of the visibility timeout; they take about 2 s.
const TRIES: u32 = 4;

/// Messages to release.
#[derive(Debug)]
pub(super) struct Release {
    /// Receipt handles, in the order of receipt.
    receipts: Vec<Arc<str>>,
    /// The time at which the messages become visible.
    at: Instant,
}

type Entry = (Arc<str>, Instant);

impl Release {
    pub(super) fn new(receipts: Vec<Arc<str>>, delay: Duration) -> Self {
        Self { receipts, at: Instant::now() + delay.min(Duration::from_secs(12 * 3600)) }
    }

    fn entries(self) -> impl Iterator<Item = Entry> {
        let at = self.at;
        self.receipts.into_iter().map(move |receipt| (receipt, at))
    }
}

/// Sends releases until the channel is closed and the last release is carried out.
///
/// On a FIFO queue at most one call is unanswered at a time, so that the messages of a group become visible in order.
pub(super) async fn run(mut asks: mpsc::Receiver<Release>, shared: Arc<Shared>) {
    let most = if shared.queue.fifo { 1 } else { CALLS };
    let mut calls = Calls::new();
    let mut kept = None;
    while let Some(batch) = collect(&mut calls, gather(&mut asks, &mut kept)).await {
        room(&mut calls, most).await;
        calls.push(release(shared.clone(), batch).boxed());
    }
    finish(calls).await;
}

/// Returns the entries of one request, and of further requests that arrive soon and fit in the same call. A request
/// that arrived but does not fit is stored in `kept` for the next call.
async fn gather(asks: &mut mpsc::Receiver<Release>, kept: &mut Option<Release>) -> Option<Vec<Entry>> {
    let first = match kept.take() {
        Some(kept) => kept,
        None => asks.recv().await?,
    };
    let mut batch: Vec<Entry> = first.entries().collect();
    let until = Instant::now() + LINGER;
    while batch.len() < MOST {
        match timeout_at(until, asks.recv()).await {
            Ok(Some(next)) if batch.len() + next.receipts.len() <= MOST => batch.extend(next.entries()),
            Ok(next) => {
                *kept = next;
                break;
            }
            Err(_) => break,
        }
    }
    Some(batch)
}

async fn release(shared: Arc<Shared>, batch: Vec<Entry>) {
    for part in batch.chunks(MOST) {
        hide(&shared, part.to_vec()).await;
    }
}

async fn hide(shared: &Shared, mut batch: Vec<Entry>) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    for attempt in 1..=TRIES {
        // One instant for all: otherwise a later message of a group might be rounded to a second less than an earlier one.
        let now = Instant::now();
        let changes: Vec<Change> = batch
            .iter()
            .map(|(receipt, at)| Change::Hide(receipt.clone(), whole_seconds(at.saturating_duration_since(now))))
            .collect();
        let answers = call(shared, &changes).await;
        let mut again = Vec::new();
        for (entry, answer) in batch.into_iter().zip(answers) {
            match answer {
                // If the lease is gone, another consumer has the message or will receive it.
                Ok(()) | Err(Fault::Gone(_)) => {}
                Err(fault) if fault.is_passing() && attempt < TRIES => again.push(entry),
                Err(reason) => {
                    tracing::warn!(queue = %shared.queue.name, attempt, %reason, "failed to release a message: it becomes visible again after the visibility timeout");
                }
            }
        }
        if again.is_empty() {
            return;
        }
        batch = again;
        sleep(backoff.wait()).await;
    }
}
