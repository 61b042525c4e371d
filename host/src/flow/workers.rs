//! Runs attempts: on the guests' runtime, in chunks, so that a hand-over between threads is paid once for many; and right
//! here, on the flow's own thread, where they are over sooner than they are handed over.
//!
//! A chunk runs one message after the other. The first that does not end at once (the guest yields at an epoch tick,
//! or waits in a host call) is left to itself, and the rest of its chunk moves on to another task: so a slow message
//! delays its neighbours by one tick, and messages that wait do so side by side. One that has kept a thread for long goes
//! on with others of its kind, on threads that count less, and where most attempts of a route are such they begin there: so
//! handlers that burn time slow each other and nobody else.
//!
//! A handler that takes several messages in one call is given as many of a chunk as it may have. They are some that the
//! machine has handed out at the same time, so no two of them have an order to keep. When the call fails as a whole, they
//! are handled one by one.

mod attempt;
mod known;
mod polls;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::machine::Delivery;
use cofferdam_core::message::Record;
use cofferdam_core::route::Route;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::duplicates::Duplicates;
use super::guests::Guests;
use super::pace::Pace;
use crate::admin::RouteHealth;
use crate::clock::Clock;
use crate::handler::{Handler, Slot};
use crate::stage::Stage;
use known::look_up;
use polls::{first_poll, quick_or_slow, slow_only};

/// Messages in a chunk at most: at a microsecond each, a hand-over costs less than the work.
const CHUNK: usize = 64;

/// What the flow may do of them itself in one round: other tasks of its thread wait meanwhile. From Kafka to Kafka at full load,
/// on two cores that the broker shares, a message took 6 % less of a processor than with half of it, and about the same with two
/// and six times as much.
const HERE: Duration = Duration::from_micros(500);

/// Attempts that have ended: `Ended` or `Known`.
pub(super) type Batch = Vec<Event>;

/// A message to attempt.
pub(super) struct Job {
    id: DeliveryId,
    record: Arc<Record>,
    attempt: u32,
    /// The id of its event, where duplicates are suppressed.
    event: Option<Box<str>>,
}

impl Job {
    pub(super) fn new(id: DeliveryId, delivery: &Delivery) -> Self {
        let event = delivery.event().map(Into::into);
        Self { id, record: Arc::clone(delivery.record()), attempt: delivery.attempt(), event }
    }
}

pub(super) struct Workers<H> {
    shared: Arc<Shared<H>>,
    /// How many chunks to cut at least, where there are enough messages.
    width: usize,
}

/// How the messages of a chunk are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Several in one call, where the handler takes that.
    Any,
    /// One by one: a call with them has failed.
    Alone,
}

struct Shared<H> {
    route: Arc<Route>,
    handler: Arc<Slot<H>>,
    duplicates: Option<Duplicates>,
    guests: Guests,
    stages: Vec<Arc<dyn Stage>>,
    health: Arc<RouteHealth>,
    pace: Pace,
    clock: Clock,
    tasks: TaskTracker,
    ended: mpsc::Sender<Batch>,
}

impl<H: Handler> Workers<H> {
    pub(super) fn new(
        route: &Arc<Route>,
        handler: Arc<Slot<H>>,
        duplicates: Option<Duplicates>,
        guests: Guests,
        stages: Vec<Arc<dyn Stage>>,
        health: Arc<RouteHealth>,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<Batch>) {
        // The machine hands out `concurrency` attempts at most, so a batch always finds room.
        let (ended, batches) = mpsc::channel(route.concurrency as usize + 1);
        let width = guests.quick.metrics().num_workers().max(1);
        let tasks = TaskTracker::new();
        let (route, pace) = (Arc::clone(route), Pace::default());
        let shared = Shared { route, handler, duplicates, guests, stages, health, pace, clock, tasks, ended };
        (Self { shared: Arc::new(shared), width }, batches)
    }

    /// Spreads the messages over the workers, and does itself what is done sooner than handed over.
    pub(super) fn hand_over(&self, jobs: Vec<Job>) {
        let here = self.shared.pace.fit_into(HERE).min(jobs.len());
        let size = (jobs.len() - here).div_ceil(self.width).min(CHUNK);
        let mut jobs = jobs.into_iter();
        let here: VecDeque<Job> = jobs.by_ref().take(here).collect();
        loop {
            let chunk: VecDeque<Job> = jobs.by_ref().take(size).collect();
            if chunk.is_empty() {
                break;
            }
            self.shared.spawn(chunk, Way::Any);
        }
        if !here.is_empty() {
            self.shared.run_here(here);
        }
    }

    /// Waits for attempts that nobody waits for any more, for `limit` at most: each ends within its wall-time limit, but
    /// one whose thread does not come back. Says whether all have ended.
    pub(super) async fn close(&self, limit: Duration) -> bool {
        self.shared.tasks.close();
        tokio::time::timeout(limit, self.shared.tasks.wait()).await.is_ok()
    }
}

impl<H: Handler> Shared<H> {
    /// Begins on this thread; what does not end at once goes on elsewhere.
    fn run_here(self: &Arc<Self>, chunk: VecDeque<Job>) {
        let mut work = Arc::clone(self).run(chunk, Way::Any).boxed();
        let poll = self.health.poll();
        // Whoever polls it next is told when it can go on.
        let ended = work.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(poll);
        if ended.is_pending() {
            self.spawn_boxed(work);
        }
    }

    fn spawn(self: &Arc<Self>, chunk: VecDeque<Job>, way: Way) {
        self.spawn_boxed(Arc::clone(self).run(chunk, way).boxed());
    }

    fn spawn_boxed(&self, work: BoxFuture<'static, ()>) {
        let Guests { quick, slow } = &self.guests;
        let health = Arc::clone(&self.health);
        if self.pace.is_mostly_long() {
            self.tasks.spawn_on(slow_only(work, health), slow);
        } else {
            self.tasks.spawn_on(quick_or_slow(work, slow.clone(), self.tasks.clone(), health), quick);
        }
    }

    async fn run(self: Arc<Self>, mut chunk: VecDeque<Job>, way: Way) {
        let mut batch = Vec::with_capacity(chunk.len());
        if let (Some(duplicates), Way::Any) = (&self.duplicates, way) {
            chunk = look_up(duplicates, chunk, &mut batch).await;
        }
        while !chunk.is_empty() {
            if let Some(jobs) = self.several(&mut chunk, way) {
                self.run_together(jobs, &mut batch, &mut chunk, way).await;
                continue;
            }
            let Some(job) = chunk.pop_front() else { break };
            let mut attempt = pin!(self.attempt(&job));
            let ended = match first_poll(attempt.as_mut()).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    self.move_on(&mut batch, &mut chunk, way).await;
                    attempt.await
                }
            };
            batch.push(Event::Ended(job.id, ended));
        }
        self.tell(batch).await;
    }

    /// Several in one call; one by one where it fails.
    async fn run_together(self: &Arc<Self>, jobs: Vec<Job>, batch: &mut Batch, chunk: &mut VecDeque<Job>, way: Way) {
        let ended = {
            let mut attempt = pin!(self.attempt_together(&jobs));
            match first_poll(attempt.as_mut()).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    self.move_on(batch, chunk, way).await;
                    attempt.await
                }
            }
        };
        match ended {
            Some(ended) => batch.extend(jobs.iter().zip(ended).map(|(job, ended)| Event::Ended(job.id, ended))),
            None => self.spawn(jobs.into(), Way::Alone),
        }
    }

    /// What has ended is told, and what has not begun begins elsewhere.
    async fn move_on(self: &Arc<Self>, batch: &mut Batch, chunk: &mut VecDeque<Job>, way: Way) {
        self.tell(std::mem::take(batch)).await;
        if !chunk.is_empty() {
            self.spawn(std::mem::take(chunk), way);
        }
    }

    /// The first messages of the chunk, as many as the handler takes in one call; `None` where it is to have one.
    fn several(&self, chunk: &mut VecDeque<Job>, way: Way) -> Option<Vec<Job>> {
        let bounds = if way == Way::Alone { return None } else { self.handler.current().batch()? };
        let mut bytes = 0_usize;
        let fits = |job: &&Job| {
            bytes = bytes.saturating_add(job.record.size());
            bytes <= bounds.bytes
        };
        let count = chunk.iter().take(bounds.messages as usize).take_while(fits).count();
        (count > 1).then(|| chunk.drain(..count).collect())
    }

    async fn tell(&self, batch: Batch) {
        if !batch.is_empty() {
            // The flow is gone only when the process is.
            let _ = self.ended.send(batch).await;
        }
    }
}

#[cfg(test)]
mod tests;
