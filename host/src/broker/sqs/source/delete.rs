//! Sends deletes in batches.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::broker::sqs::backoff::Backoff;
use crate::broker::sqs::fault::Fault;

use super::call::{Change, call};
use super::shared::{CALLS, Calls, Shared, collect, finish, gather, room};

/// Attempts before the core is told that a delete failed; they take about 3 s.
const TRIES: u32 = 5;

/// A message to delete.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) delivery: DeliveryId,
    pub(super) receipt: Arc<str>,
}

/// Sends deletes until the channel is closed and the last delete is answered.
pub(super) async fn run(mut asks: mpsc::Receiver<Delete>, shared: Arc<Shared>) {
    let mut calls = Calls::new();
    while let Some(batch) = collect(&mut calls, gather(&mut asks)).await {
        room(&mut calls, CALLS).await;
        calls.push(delete(shared.clone(), batch).boxed());
    }
    finish(calls).await;
}

async fn delete(shared: Arc<Shared>, mut asked: Vec<Delete>) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    let mut attempt = 1;
    loop {
        let changes: Vec<Change> = asked.iter().map(|ask| Change::Delete(ask.receipt.clone())).collect();
        let answers = call(&shared, &changes).await;
        let (mut deleted, mut lost, mut failed, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut reason = None;
        for (ask, answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(()) => deleted.push(ask.delivery),
                // An earlier attempt whose response was lost may have deleted the message. Then this reports a loss
                // that is none, which is safe.
                Err(Fault::Gone(_)) => lost.push(ask.delivery),
                Err(fault) if fault.is_passing() && attempt < TRIES => again.push(ask),
                Err(fault) => {
                    failed.push(ask.delivery);
                    reason = Some(fault);
                }
            }
        }
        if let Some(reason) = reason {
            tracing::warn!(queue = %shared.queue.name, messages = failed.len(), attempt, %reason, "failed to delete messages, retrying");
        }
        for (deliveries, event) in
            [(deleted, Event::Deleted as fn(_) -> _), (lost, Event::LeaseLost), (failed, Event::DeleteFailed)]
        {
            if !deliveries.is_empty() {
                deliveries.iter().for_each(|delivery| shared.deleting.end(*delivery));
                shared.tell(event(deliveries)).await;
            }
        }
        if again.is_empty() {
            return;
        }
        asked = again;
        attempt += 1;
        sleep(backoff.wait()).await;
    }
}
