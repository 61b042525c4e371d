//! What all desks of a source share, and how they collect what they are asked.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use cofferdam_core::event::Event;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::aws::backoff::Seldom;
use crate::aws::batch::MOST;
use crate::aws::queue::Queue;
use crate::clock::Clock;

use super::delete::Deleting;

/// How long a batch waits to become full.
pub(super) const LINGER: Duration = Duration::from_millis(5);

/// Most calls of one kind under way.
pub(super) const CALLS: usize = 8;

/// Calls under way. They go on while [`collect`], [`room`] or [`finish`] is waited for: what is answered together is heard
/// together, which a task for each of them would not do.
pub(super) type Calls = FuturesUnordered<BoxFuture<'static, ()>>;

/// Where a source works.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) deleting: Arc<Deleting>,
    /// When a poll without an answer was told of last.
    pub(super) late: Mutex<Seldom>,
    /// Cancelled when the source closes: nobody needs its leases any longer.
    pub(super) closing: CancellationToken,
}

impl Desk {
    /// Tells the flow. Where the flow has gone, there is nobody to tell.
    pub(super) async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    /// Says that the server has not answered a poll for so long, which is still waited for.
    pub(super) fn say_late(&self, after: Duration) {
        let kept = self.late.lock().unwrap_or_else(PoisonError::into_inner).say(Instant::now());
        if let Some(kept) = kept {
            let (queue, url) = (&*self.queue.name, &*self.queue.url);
            let reason = format!("no answer within {after:?}, still waiting");
            tracing::warn!(queue, url, reason, kept, "failed to receive messages");
        }
    }
}

/// Up to ten asks, those that come within [`LINGER`] of the first; `None` when no more will come.
pub(super) async fn gather<T>(asks: &mut mpsc::Receiver<T>) -> Option<Vec<T>> {
    let mut batch = Vec::with_capacity(MOST);
    if asks.recv_many(&mut batch, MOST).await == 0 {
        return None;
    }
    let until = Instant::now() + LINGER;
    while batch.len() < MOST {
        let room = MOST - batch.len();
        if !matches!(timeout_at(until, asks.recv_many(&mut batch, room)).await, Ok(1..)) {
            break;
        }
    }
    Some(batch)
}

/// Waits for what is to be called for next, while the calls under way go on.
pub(super) async fn collect<T>(calls: &mut Calls, next: impl Future<Output = T>) -> T {
    let mut next = pin!(next);
    loop {
        tokio::select! {
            biased;
            Some(()) = calls.next() => {}
            next = &mut next => return next,
        }
    }
}

/// Waits until another call may start.
pub(super) async fn room(calls: &mut Calls, most: usize) {
    while calls.len() >= most {
        calls.next().await;
    }
}

/// Waits until every call has ended.
pub(super) async fn finish(mut calls: Calls) {
    while calls.next().await.is_some() {}
}

/// A time in whole seconds as SQS takes it: rounded up, at most 12 hours.
pub(super) fn whole_seconds(duration: Duration) -> i32 {
    const MOST: u64 = 12 * 3600;
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.min(MOST)).unwrap_or(i32::MAX)
}
