//! A queue as a source: messages come with a lease, and are deleted, extended or released one by one.
//!
//! ```text
//! Grant ──► balance ──► intake: long polls ──► Messages
//! Delete, Extend, Release ──► one desk each: batches of 10, several calls under way ──► Deleted, Extended, LeaseLost ...
//! ```
//!
//! All of it is one piece of work, that of whoever waits for [`Sqs::next`] or [`Sqs::close`]: no task, no thread to wake.
//!
//! Nothing here waits for ever: calls have limits, tries are counted or end with the lease, and [`Sqs::close`] is
//! bounded. An outage of the server never ends the source; it polls more and more seldom, and says so.

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
use delete::{Delete, Deleting};
use desk::Desk;
use extend::Extend;
use intake::Intake;
use release::Release;

mod balance;
mod call;
mod delete;
mod desk;
mod extend;
mod intake;
pub(crate) mod message;
mod release;
#[cfg(test)]
mod tests;

/// Asks of one kind that may wait for their turn. Beyond it a delete fails at once, an extension is not answered,
/// and a release is left to the end of the lease: each of them something that the core copes with.
const ASKS: usize = 4096;

/// Events that may wait for the flow.
const EVENTS: usize = 64;

/// How long the asks that are under way may take when the source closes.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// What a source on SQS needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach the server.
    pub client: Client,
    /// The queue, by name or by address (`http...`).
    pub queue: String,
    /// The lease that comes with a message, 1 s to 12 h, in whole seconds. The messages of a host that was killed come
    /// back after it; as it is extended while needed, it need not be longer than a host should be missed.
    pub lease: Duration,
    /// How long a poll waits for messages, 0 to 20 s, in whole seconds.
    pub wait: Duration,
    /// Most polls at a time, at least 1. A further one starts only while polls come back full.
    pub pollers: u32,
    /// How long [`Sqs::close`] waits for polls that are under way. What an abandoned poll would have received stays
    /// hidden until its lease ends; nothing else is lost by it.
    pub patience: Duration,
    /// The process's clock.
    pub clock: Clock,
}

impl Config {
    /// The defaults: a lease of 60 s, polls of 5 s, four of them at most, and patience for a poll and 2 s.
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

/// Why a source on SQS cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lease is out of its bounds.
    #[error("a lease on sqs is from 1 s to 12 h, in whole seconds, not {0:?}")]
    Lease(Duration),
    /// The wait of a poll is out of its bounds.
    #[error("a poll of sqs waits from 0 to 20 s, in whole seconds, not {0:?}")]
    Wait(Duration),
    /// There has to be a poll.
    #[error("a source on sqs needs at least one poller")]
    NoPollers,
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] queue::Error),
}

/// A queue that is being polled, and worked on, while [`Sqs::next`] is waited for. Dropping it ends all its work at once, and
/// leases run out by themselves; [`Sqs::close`] ends it well.
pub struct Sqs {
    queue: Arc<Queue>,
    balance: Arc<Balance>,
    deleting: Arc<Deleting>,
    deletes: mpsc::Sender<Delete>,
    extends: mpsc::Sender<Extend>,
    releases: mpsc::Sender<Release>,
    events: mpsc::Receiver<Event>,
    /// Deletes that found no room; told by the next [`Sqs::next`].
    refused: Vec<DeliveryId>,
    seldom: Seldom,
    stop: CancellationToken,
    closing: CancellationToken,
    patience: Duration,
    intake: Fuse<BoxFuture<'static, ()>>,
    desks: Fuse<BoxFuture<'static, ()>>,
}

impl Sqs {
    /// Finds the queue, reads its attributes, and stands ready; the first poll goes out with the first grant.
    ///
    /// # Errors
    /// [`Error`]: a configuration out of bounds, or a queue that cannot be used.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let lease = seconds(config.lease, 1..=12 * 3600).ok_or(Error::Lease(config.lease))?;
        let wait = seconds(config.wait, 0..=20).ok_or(Error::Wait(config.wait))?;
        let pollers = usize::try_from(config.pollers).ok().filter(|count| *count > 0).ok_or(Error::NoPollers)?;
        let queue = Arc::new(Queue::resolve(&config.client, &config.queue).await?);
        // With connections of its own, which live where the source is polled: an answer need not wake another thread.
        let client = Client::from_conf(config.client.config().clone());

        let (events, received) = mpsc::channel(EVENTS);
        let (deletes, deletes_asked) = mpsc::channel(ASKS);
        let (extends, extends_asked) = mpsc::channel(ASKS);
        let (releases, releases_asked) = mpsc::channel(ASKS);
        let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
        let balance = Arc::new(Balance::default());
        let deleting = Arc::new(Deleting::default());
        let desk = Arc::new(Desk {
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
        let intake = Intake { desk: desk.clone(), balance: from, stop: stop_intake, lease, wait, pollers, patience };
        let desks = async move {
            let deletes = delete::run(deletes_asked, desk.clone());
            let extends = extend::run(extends_asked, desk.clone());
            tokio::join!(deletes, extends, release::run(releases_asked, desk));
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

    /// The queue, as it was when the source connected.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The next event, see [`Source::poll_next`].
    pub async fn next(&mut self) -> Option<Event> {
        source::next(self).await
    }

    /// Closes the source in order: waits for the polls under way (at most [`Config::patience`]), releases at once what
    /// they bring, carries out what was asked, then ends; with neither a poll nor a request under way, at once. What
    /// cannot be carried out within 10 s more is left to the end of its lease. Events that nobody took are dropped, their
    /// messages released.
    pub async fn close(self) {
        self.stop.cancel();
        self.closing.cancel();
        let Self { mut events, mut intake, mut desks, releases, deletes, extends, queue, patience, .. } = self;
        drop((deletes, extends));

        let finished = timeout_at(Instant::now() + patience + CLOSE_LIMIT, async {
            // After [`Sqs::stop`] it has usually ended already, and a fused future that has ended is never ready again.
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
            // So that nobody waits for room.
            let told = async { while events.recv().await.is_some() {} };
            if !desks.is_terminated() {
                tokio::join!(desks, told);
            }
        });
        if finished.await.is_err() {
            tracing::warn!(queue = %queue.name, "the source was closed before its last requests were answered; messages not yet deleted or released come back when their leases end");
        }
    }

    fn overrun(&mut self, what: &'static str) {
        if let Some(kept) = self.seldom.say(Instant::now()) {
            tracing::warn!(queue = %self.queue.name, what, kept, "more asks than the queue's server takes");
        }
    }
}

impl Source for Sqs {
    /// Takes up what the core asks: `Grant`, `Delete`, `Extend` and `Release`. Never waits.
    ///
    /// Leases and delays are rounded up to whole seconds, which is what SQS knows.
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

    /// `Messages`, `Deleted`, `DeleteFailed`, `Extended` or `LeaseLost`, and once `Due`, when the last poll after
    /// [`Source::stop`] has ended. `None` cannot be while the source is open.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if !self.refused.is_empty() {
            return Poll::Ready(Some(Event::DeleteFailed(std::mem::take(&mut self.refused))));
        }
        loop {
            if let Poll::Ready(event) = self.events.poll_recv(context) {
                return Poll::Ready(event);
            }
            // Whoever waits for the last poll is woken.
            if self.intake.poll_unpin(context).is_ready() {
                return Poll::Ready(Some(Event::Due));
            }
            if self.desks.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Starts no more polls. What those under way still bring is handed over: whether it goes back or stays is a delivery
    /// rule. For the beginning of a drain, so that [`Sqs::close`] need not wait for polls at its end.
    fn stop(&mut self) {
        self.stop.cancel();
    }

    /// Whether no more messages can come.
    fn is_dry(&self) -> bool {
        self.intake.is_terminated() && self.events.is_empty()
    }

    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, Result<(), String>> {
        async move {
            if timeout_at(until, Sqs::close(*self)).await.is_err() {
                tracing::warn!("the queue has not answered within the limits of the stop");
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

/// Releases the messages of an event that nobody will take any more.
fn give_back(event: Event, releases: &mpsc::Sender<Release>) {
    if let Event::Messages(messages) = event {
        let receipts = messages.into_iter().map(|leased| leased.receipt).collect();
        // Where there is no room, the lease ends it.
        let _ = releases.try_send(Release::new(receipts, Duration::ZERO));
    }
}

/// A duration in whole seconds, if it is within bounds.
fn seconds(duration: Duration, bounds: std::ops::RangeInclusive<i32>) -> Option<i32> {
    let whole = i32::try_from(duration.as_secs()).ok()?;
    (duration.subsec_nanos() == 0 && bounds.contains(&whole)).then_some(whole)
}
