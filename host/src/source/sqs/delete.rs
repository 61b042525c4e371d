//! The desk for deletes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::aws::backoff::Backoff;
use crate::aws::fault::Fault;

use super::call::{Wish, call};
use super::desk::{CALLS, Calls, Desk, collect, finish, gather, room};

/// Tries before the core is told that it failed; about 3 s.
const TRIES: u32 = 5;

/// A message to delete.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) delivery: DeliveryId,
    pub(super) receipt: Arc<str>,
}

/// Whose delete has been asked and not answered. An extension that meets a deleted message finds the lease gone;
/// that is no loss, and the core must not hear of it before it hears of the delete.
#[derive(Debug, Default)]
pub(super) struct Deleting(Mutex<HashSet<DeliveryId>>);

impl Deleting {
    pub(super) fn begin(&self, delivery: DeliveryId) {
        self.set().insert(delivery);
    }

    pub(super) fn end(&self, delivery: DeliveryId) {
        self.set().remove(&delivery);
    }

    pub(super) fn contains(&self, delivery: DeliveryId) -> bool {
        self.set().contains(&delivery)
    }

    fn set(&self) -> MutexGuard<'_, HashSet<DeliveryId>> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

/// Deletes until no more asks can come and the last is answered.
pub(super) async fn run(mut asks: mpsc::Receiver<Delete>, desk: Arc<Desk>) {
    let mut calls = Calls::new();
    while let Some(batch) = collect(&mut calls, gather(&mut asks)).await {
        room(&mut calls, CALLS).await;
        calls.push(delete(desk.clone(), batch).boxed());
    }
    finish(calls).await;
}

async fn delete(desk: Arc<Desk>, mut asked: Vec<Delete>) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    let mut attempt = 1;
    loop {
        let wishes: Vec<Wish> = asked.iter().map(|ask| Wish::Delete(ask.receipt.clone())).collect();
        let answers = call(&desk, &wishes).await;
        let (mut deleted, mut lost, mut failed, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut reason = None;
        for (ask, answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(()) => deleted.push(ask.delivery),
                // A try before this one may have deleted it, unheard. Then this says too little, never too much.
                Err(Fault::Gone(_)) => lost.push(ask.delivery),
                Err(fault) if fault.is_passing() && attempt < TRIES => again.push(ask),
                Err(fault) => {
                    failed.push(ask.delivery);
                    reason = Some(fault);
                }
            }
        }
        if let Some(reason) = reason {
            tracing::warn!(queue = %desk.queue.name, messages = failed.len(), attempt, %reason, "failed to delete messages, retrying");
        }
        for (deliveries, event) in
            [(deleted, Event::Deleted as fn(_) -> _), (lost, Event::LeaseLost), (failed, Event::DeleteFailed)]
        {
            if !deliveries.is_empty() {
                deliveries.iter().for_each(|delivery| desk.deleting.end(*delivery));
                desk.tell(event(deliveries)).await;
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
