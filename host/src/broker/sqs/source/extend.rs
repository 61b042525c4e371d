//! Sends extensions of visibility timeouts in batches.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::time::Time;
use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::broker::sqs::backoff::Backoff;
use crate::broker::sqs::fault::Fault;

use super::call::{Change, call};
use super::shared::{CALLS, Calls, Shared, collect, finish, gather, room, whole_seconds};

/// An extension of a lease.
#[derive(Debug)]
pub(super) struct Extend {
    delivery: DeliveryId,
    receipt: Arc<str>,
    seconds: i32,
    /// The time after which a retry is useless.
    over: Instant,
}

impl Extend {
    pub(super) fn new(delivery: DeliveryId, receipt: Arc<str>, lease: Duration) -> Self {
        let seconds = whole_seconds(lease).max(1);
        // The current lease is not longer than the new one, so it has ended by this time.
        let over = Instant::now() + Duration::from_secs(seconds.unsigned_abs().into());
        Self { delivery, receipt, seconds, over }
    }
}

/// Sends extensions until the channel is closed. When the source closes, running attempts are cancelled.
pub(super) async fn run(mut asks: mpsc::Receiver<Extend>, shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    let mut calls = Calls::new();
    let work = async {
        while let Some(batch) = collect(&mut calls, gather(&mut asks)).await {
            room(&mut calls, CALLS).await;
            calls.push(extend(shared.clone(), batch).boxed());
        }
    };
    if closing.run_until_cancelled(work).await.is_some() {
        finish(calls).await;
    }
}

async fn extend(shared: Arc<Shared>, mut asked: Vec<Extend>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let now = Instant::now();
        asked.retain(|ask| ask.over > now);
        if asked.is_empty() {
            return;
        }
        let start = shared.clock.at(now);
        let changes: Vec<Change> = asked.iter().map(|ask| Change::Hide(ask.receipt.clone(), ask.seconds)).collect();
        let answers = call(&shared, &changes).await;
        let mut extended: Vec<(Time, Vec<DeliveryId>)> = Vec::new();
        let (mut lost, mut again) = (Vec::new(), Vec::new());
        for (ask, answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    let until = start.after(Duration::from_secs(ask.seconds.unsigned_abs().into()));
                    match extended.iter_mut().find(|(same, _)| *same == until) {
                        Some((_, deliveries)) => deliveries.push(ask.delivery),
                        None => extended.push((until, vec![ask.delivery])),
                    }
                }
                Err(Fault::Gone(_)) => lost.push(ask.delivery),
                Err(fault) if fault.is_passing() => again.push(ask),
                // For example, more than 12 hours in all. The current lease stays valid until its end.
                Err(reason) => {
                    tracing::warn!(queue = %shared.queue.name, %reason, "failed to extend the visibility timeout of a message");
                }
            }
        }
        for (until, deliveries) in extended {
            shared.tell(Event::Extended { deliveries, until }).await;
        }
        lost.retain(|delivery| !shared.deleting.contains(*delivery));
        if !lost.is_empty() {
            shared.tell(Event::LeaseLost(lost)).await;
        }
        if again.is_empty() {
            return;
        }
        asked = again;
        sleep(backoff.wait()).await;
    }
}
