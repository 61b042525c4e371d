//! The shared part of the three senders of a source (delete, extend, release), and how they batch their requests.

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

use crate::broker::sqs::backoff::Seldom;
use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::queue::Queue;
use crate::clock::Clock;

use super::deleting::Deleting;

/// How long an incomplete batch waits for more requests.
pub(super) const LINGER: Duration = Duration::from_millis(5);

/// The largest number of unanswered calls of one kind.
pub(super) const CALLS: usize = 8;

/// Unanswered calls. They make progress while [`collect`], [`room`] or [`finish`] is awaited. Calls that are answered
/// at the same time are handled in one wake-up, which a task for each call could not do.
pub(super) type Calls = FuturesUnordered<BoxFuture<'static, ()>>;

/// The shared data of all senders.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) deleting: Arc<Deleting>,
    /// Limits the log line about polls without a response.
    pub(super) late: Mutex<Seldom>,
    /// Cancelled when the source closes: from then on nobody needs its leases.
    pub(super) closing: CancellationToken,
}

impl Shared {
    /// Sends an event to the flow. If the flow has ended, the event is dropped.
    pub(super) async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    /// Logs that a poll has had no response for this time. The source keeps waiting for it.
    pub(super) fn say_late(&self, after: Duration) {
        let kept = self.late.lock().unwrap_or_else(PoisonError::into_inner).say(Instant::now());
        if let Some(kept) = kept {
            let (queue, url) = (&*self.queue.name, &*self.queue.url);
            let reason = format!("no answer within {after:?}, still waiting");
            tracing::warn!(queue, url, reason, kept, "failed to receive messages");
        }
    }
}

/// Returns up to ten requests that arrive within [`LINGER`] of the first; `None` when the channel is closed.
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

/// Waits for `next`, and drives the unanswered calls meanwhile.
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

/// Converts a duration to the whole seconds of SQS: rounded up, at most 12 hours.
pub(super) fn whole_seconds(duration: Duration) -> i32 {
    const MOST: u64 = 12 * 3600;
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.min(MOST)).unwrap_or(i32::MAX)
}
