//! An SQS queue as a source. Each message has a lease (its visibility timeout) and is deleted, extended or released on
//! its own.
//!
//! ```text
//! Grant ──► balance ──► intake: long polls ──► Messages
//! Delete, Extend, Release ──► one sender each: batches of 10, concurrent calls ──► Deleted, Extended, LeaseLost ...
//! ```
//!
//! All work happens in the future that waits for [`Sqs::next`] or [`Sqs::close`]: there is no task, and no thread to
//! wake.
//!
//! Every wait is bounded: calls have time limits, retries have a maximum number or end with the lease, and
//! [`Sqs::close`] has a limit. An outage of the server never ends the source; it polls with a growing backoff and logs
//! the outage.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_sqs::Client;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{DeliveryId, Event};
use futures::FutureExt;
use futures::future::{BoxFuture, Fuse, FusedFuture};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::broker::sqs::backoff::Seldom;
use crate::broker::sqs::queue::{self, Queue};
use crate::clock::Clock;
use crate::source::{self, Source};

use balance::Balance;
use delete::Delete;
use deleting::Deleting;
use extend::Extend;
use intake::Intake;
use release::Release;
use shared::Shared;

mod balance;
mod call;
mod delete;
mod deleting;
mod extend;
mod intake;
pub(crate) mod message;
mod release;
mod shared;
#[cfg(test)]
mod tests;

/// How many requests of one kind may wait. Beyond this number a delete fails at once, an extension gets no answer, and
/// a release is left to the end of the visibility timeout. The core handles each of these cases.
const ASKS: usize = 4096;

/// How many events may wait for the flow.
const EVENTS: usize = 64;

/// Time limit for the requests that are unanswered when the source closes.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The settings of an SQS source.
#[derive(Debug, Clone)]
pub struct Config {
    /// The client to use.
    pub client: Client,
    /// The queue, by name or by URL (`http...`).
    pub queue: String,
    /// The visibility timeout of received messages, 1 s to 12 h, in whole seconds. The messages of a killed host become
    /// visible after it. The source extends it as needed, so it need not be longer than the acceptable delay after a
    /// crash.
    pub lease: Duration,
    /// The wait time of a long poll, 0 to 20 s, in whole seconds.
    pub wait: Duration,
    /// The largest number of concurrent polls, at least 1. A further poll starts only while polls return full batches.
    pub pollers: u32,
    /// How long [`Sqs::close`] waits for running polls. The messages of an abandoned poll stay hidden until their
    /// visibility timeout ends; nothing is lost.
    pub patience: Duration,
    /// The clock of the process.
    pub clock: Clock,
}

impl Config {
    /// Creates the default settings: a visibility timeout of 60 s, a wait of 5 s, at most four polls, and a
    /// [`Config::patience`] of 7 s.
    pub fn new(client: Client, queue: impl Into<String>, clock: Clock) -> Self {
        let wait = Duration::from_secs(5);
        Self {
            client,
            queue: queue.into(),
            lease: Duration::from_secs(60),
            wait,
            pollers: 4,
            patience: wait + Duration::from_secs(2),
            clock,
        }
    }
}

/// The reason why an SQS source could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The visibility timeout is out of range.
    #[error("visibility timeout {0:?} is out of range; expected 1 s to 12 h in whole seconds")]
    Lease(Duration),
    /// The wait time of a poll is out of range.
    #[error("wait time {0:?} is out of range; expected 0 to 20 s in whole seconds")]
    Wait(Duration),
    /// The number of pollers is zero.
    #[error("a source on sqs needs at least one poller")]
    NoPollers,
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] queue::Error),
}

/// An SQS source. It polls and sends requests only while [`Sqs::next`] is awaited. Dropping it abandons all requests,
/// and the visibility timeouts of its messages run out; [`Sqs::close`] ends it in order.
pub struct Sqs {
    queue: Arc<Queue>,
    balance: Arc<Balance>,
    deleting: Arc<Deleting>,
    deletes: mpsc::Sender<Delete>,
    extends: mpsc::Sender<Extend>,
    releases: mpsc::Sender<Release>,
    events: mpsc::Receiver<Event>,
    /// Deletes that did not fit in the channel; the next [`Sqs::next`] reports them.
    refused: Vec<DeliveryId>,
    seldom: Seldom,
    stop: CancellationToken,
    closing: CancellationToken,
    patience: Duration,
    intake: Fuse<BoxFuture<'static, ()>>,
    desks: Fuse<BoxFuture<'static, ()>>,
}

impl Sqs {
    /// Resolves the queue and reads its attributes. The first poll starts with the first grant.
    ///
    /// # Errors
    /// [`Error`]: a setting is out of range, or the queue cannot be used.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let lease = seconds(config.lease, 1..=12 * 3600).ok_or(Error::Lease(config.lease))?;
        let wait = seconds(config.wait, 0..=20).ok_or(Error::Wait(config.wait))?;
        let pollers = usize::try_from(config.pollers).ok().filter(|count| *count > 0).ok_or(Error::NoPollers)?;
        let queue = Arc::new(Queue::resolve(&config.client, &config.queue).await?);
        // A client with connections of its own on the thread that polls the source, so that a response does not wake
        // another thread.
        let client = Client::from_conf(config.client.config().clone());

        let (events, received) = mpsc::channel(EVENTS);
        let (deletes, deletes_asked) = mpsc::channel(ASKS);
        let (extends, extends_asked) = mpsc::channel(ASKS);
        let (releases, releases_asked) = mpsc::channel(ASKS);
        let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
        let balance = Arc::new(Balance::default());
        let deleting = Arc::new(Deleting::default());
        let shared = Arc::new(Shared {
            client,
            queue: queue.clone(),
            clock: config.clock,
            events,
            deleting: deleting.clone(),
            late: Mutex::default(),
            closing: closing.clone(),
        });

        let (stop_intake, patience) = (stop.clone(), config.patience);
        let from = balance.clone();
        let intake =
            Intake { shared: shared.clone(), balance: from, stop: stop_intake, lease, wait, pollers, patience };
        let desks = async move {
            let deletes = delete::run(deletes_asked, shared.clone());
            let extends = extend::run(extends_asked, shared.clone());
            tokio::join!(deletes, extends, release::run(releases_asked, shared));
        };

        Ok(Self {
            queue,
            balance,
            deleting,
            deletes,
            extends,
            releases,
            events: received,
            refused: Vec::new(),
            seldom: Seldom::default(),
            stop,
            closing,
            patience: config.patience,
            intake: intake.run().boxed().fuse(),
            desks: desks.boxed().fuse(),
        })
    }

    /// Returns the queue, as it was when the source connected.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Returns the next event; see [`Source::poll_next`].
    pub async fn next(&mut self) -> Option<Event> {
        source::next(self).await
    }

    /// Closes the source in order: waits for running polls (at most [`Config::patience`]), releases the messages that
    /// they return, and carries out the pending requests (at most 10 s more). Returns at once if there is no running
    /// poll and no pending request. Leases of requests that are not carried out run out. Events that nobody received
    /// are dropped, and their messages are released.
    pub async fn close(self) {
        self.stop.cancel();
        self.closing.cancel();
        let Self { mut events, mut intake, mut desks, releases, deletes, extends, queue, patience, .. } = self;
        drop((deletes, extends));

        let finished = timeout_at(Instant::now() + patience + CLOSE_LIMIT, async {
            // After [`Sqs::stop`] the intake has usually ended already, and a fused future that has ended never becomes
            // ready again.
            while !intake.is_terminated() {
                tokio::select! {
                    () = &mut intake => {}
                    () = &mut desks => {}
                    Some(event) = events.recv() => give_back(event, &releases),
                }
            }
            while let Ok(event) = events.try_recv() {
                give_back(event, &releases);
            }
            drop(releases);
            // Receive the events, so that no sender waits for capacity.
            let told = async { while events.recv().await.is_some() {} };
            if !desks.is_terminated() {
                tokio::join!(desks, told);
            }
        });
        if finished.await.is_err() {
            tracing::warn!(queue = %queue.name, "source closed before SQS answered its last requests; messages that are not deleted or released are redelivered when their visibility timeouts end");
        }
    }

    fn overrun(&mut self, what: &'static str) {
        if let Some(kept) = self.seldom.say(Instant::now()) {
            tracing::warn!(queue = %self.queue.name, what, kept, "too many pending requests for the queue; this one is dropped");
        }
    }
}

impl Source for Sqs {
    /// Queues a request of the core: `Grant`, `Delete`, `Extend` or `Release`. Never waits.
    ///
    /// Visibility timeouts and delays are rounded up to whole seconds, the unit of SQS.
    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Grant { messages, bytes } => self.balance.grant(messages, bytes),
            Ask::Delete { delivery, receipt } => {
                self.deleting.begin(delivery);
                if self.deletes.try_send(Delete { delivery, receipt }).is_err() {
                    self.deleting.end(delivery);
                    self.refused.push(delivery);
                    self.overrun("deletes");
                }
            }
            Ask::Extend { delivery, receipt, lease } => {
                if self.extends.try_send(Extend::new(delivery, receipt, lease)).is_err() {
                    self.overrun("extensions");
                }
            }
            Ask::Release { receipts, delay } => {
                if self.releases.try_send(Release::new(receipts, delay)).is_err() {
                    self.overrun("releases");
                }
            }
            Ask::Pause(_)
            | Ask::Resume(_)
            | Ask::Reread(_)
            | Ask::Commit(_)
            | Ask::Transacted(_)
            | Ask::GiveUp { .. } => {
                debug_assert!(false, "a queue has no partitions and no offsets");
            }
        }
    }

    /// Returns `Messages`, `Deleted`, `DeleteFailed`, `Extended` or `LeaseLost`, and `Due` once when the last poll
    /// after [`Source::stop`] has ended. Never returns `None` while the source is open.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if !self.refused.is_empty() {
            return Poll::Ready(Some(Event::DeleteFailed(std::mem::take(&mut self.refused))));
        }
        loop {
            if let Poll::Ready(event) = self.events.poll_recv(context) {
                return Poll::Ready(event);
            }
            // Wake the caller, which may wait for the last poll.
            if self.intake.poll_unpin(context).is_ready() {
                return Poll::Ready(Some(Event::Due));
            }
            if self.desks.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Starts no more polls. The source still returns the messages of running polls, because a delivery rule decides
    /// whether they are released. Called at the beginning of a drain, so that [`Sqs::close`] does not have to wait for
    /// polls at its end.
    fn stop(&mut self) {
        self.stop.cancel();
    }

    /// Returns whether no more messages can arrive.
    fn is_dry(&self) -> bool {
        self.intake.is_terminated() && self.events.is_empty()
    }

    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, Result<(), String>> {
        async move {
            if timeout_at(until, Sqs::close(*self)).await.is_err() {
                tracing::warn!("the queue did not answer within the limits of the stop");
            }
            Ok(())
        }
        .boxed()
    }
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").field("queue", &self.queue.name).finish_non_exhaustive()
    }
}

/// Releases the messages of an event that nobody will receive.
fn give_back(event: Event, releases: &mpsc::Sender<Release>) {
    if let Event::Messages(messages) = event {
        let receipts = messages.into_iter().map(|leased| leased.receipt).collect();
        // If the channel is full, the visibility timeout ends by itself.
        let _ = releases.try_send(Release::new(receipts, Duration::ZERO));
    }
}

/// Returns a duration in whole seconds; `None` if it has a fraction or is out of bounds.
fn seconds(duration: Duration, bounds: std::ops::RangeInclusive<i32>) -> Option<i32> {
    let whole = i32::try_from(duration.as_secs()).ok()?;
    (duration.subsec_nanos() == 0 && bounds.contains(&whole)).then_some(whole)
}
