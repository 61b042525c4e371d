//! Runs attempts. Most run in chunks on the runtime of the handlers, so that one hand-over between threads serves many
//! messages. Very quick ones run on the flow's own thread, where they cost less than the hand-over.
//!
//! A chunk runs one message after the other. If an attempt does not end at once (the guest yields at an epoch tick, or waits
//! in a host call), it continues alone in its task and the rest of the chunk moves to another task. So a slow message delays
//! its neighbours by one tick, and messages that wait do so concurrently. A task that has used a thread for long continues
//! on the slow threads, which have a lower priority. If most attempts of a route are long, they start there. So handlers
//! that burn CPU slow down only each other.
//!
//! A handler that takes batches gets as many messages of a chunk in one call as its batch limits allow. The machine has
//! started all of them at the same time, so their order does not matter. If the call fails as a whole, the messages are
//! handled one by one.

mod attempt;
mod known;
mod polls;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cofferdam_core::envelope::Opened;
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

/// Maximum number of messages in a chunk. Even with attempts of one microsecond, the hand-over costs less than the work.
const CHUNK: usize = 64;

/// Maximum expected time of the attempts that the flow runs on its own thread in one round. Other tasks of the thread wait
/// meanwhile. Less costs more CPU for each message under load; more saves nothing measurable.
const HERE: Duration = Duration::from_micros(500);

/// Results of attempts: events `Ended` or `Known`.
pub(super) type Batch = Vec<Event>;

/// A message to attempt.
pub(super) struct Job {
    id: DeliveryId,
    record: Arc<Record>,
    /// The envelope that was decoded before, by an attempt that failed or to suppress duplicates.
    opened: Option<Arc<Opened>>,
    attempt: u32,
    /// The event id, if the route suppresses duplicates.
    event: Option<Box<str>>,
}

impl Job {
    pub(super) fn new(id: DeliveryId, delivery: &Delivery) -> Self {
        let event = delivery.event().map(Into::into);
        let (record, opened) = (Arc::clone(delivery.record()), delivery.opened().map(Arc::clone));
        Self { id, record, opened, attempt: delivery.attempt(), event }
    }
}

pub(super) struct Workers<H> {
    shared: Arc<Shared<H>>,
    /// Minimum number of chunks, if there are enough messages: the number of quick threads.
    width: usize,
}

/// How the messages of a chunk are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Several messages in one call, if the handler takes batches.
    Any,
    /// One by one, because a call with all of them failed.
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
        // The machine starts at most `concurrency` attempts at a time, so a batch always finds room.
        let (ended, batches) = mpsc::channel(route.concurrency as usize + 1);
        let width = guests.quick.metrics().num_workers().max(1);
        let tasks = TaskTracker::new();
        let (route, pace) = (Arc::clone(route), Pace::default());
        let shared = Shared { route, handler, duplicates, guests, stages, health, pace, clock, tasks, ended };
        (Self { shared: Arc::new(shared), width }, batches)
    }

    /// Spreads the messages over the workers. Those that are quicker to run than to hand over run on this thread.
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
            self.shared.spawn(chunk, Mode::Any);
        }
        if !here.is_empty() {
            self.shared.run_here(here);
        }
    }

    /// Waits, at most `limit`, for attempts whose results are no longer used. Each ends within its wall-time limit, unless
    /// its thread does not return. Returns whether all have ended.
    pub(super) async fn close(&self, limit: Duration) -> bool {
        self.shared.tasks.close();
        tokio::time::timeout(limit, self.shared.tasks.wait()).await.is_ok()
    }
}

impl<H: Handler> Shared<H> {
    /// Starts a chunk on this thread. If it does not complete at the first poll, it continues on the threads of the
    /// handlers.
    fn run_here(self: &Arc<Self>, chunk: VecDeque<Job>) {
        let mut work = Arc::clone(self).run(chunk, Mode::Any).boxed();
        let poll = self.health.poll();
        // A no-op waker is enough: the task that polls the work next registers its own.
        let ended = work.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(poll);
        if ended.is_pending() {
            self.spawn_boxed(work);
        }
    }

    fn spawn(self: &Arc<Self>, chunk: VecDeque<Job>, mode: Mode) {
        self.spawn_boxed(Arc::clone(self).run(chunk, mode).boxed());
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

    async fn run(self: Arc<Self>, mut chunk: VecDeque<Job>, mode: Mode) {
        let mut batch = Vec::with_capacity(chunk.len());
        if let (Some(duplicates), Mode::Any) = (&self.duplicates, mode) {
            chunk = look_up(duplicates, chunk, &mut batch).await;
        }
        while !chunk.is_empty() {
            if let Some(jobs) = self.several(&mut chunk, mode) {
                self.run_together(jobs, &mut batch, &mut chunk, mode).await;
                continue;
            }
            let Some(job) = chunk.pop_front() else { break };
            let mut attempt = pin!(self.attempt(&job));
            let ended = match first_poll(attempt.as_mut()).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    self.move_on(&mut batch, &mut chunk, mode).await;
                    attempt.await
                }
            };
            batch.push(Event::Ended(job.id, ended));
        }
        self.tell(batch).await;
    }

    /// Handles several messages in one call, and one by one if that call fails.
    async fn run_together(
        self: &Arc<Self>,
        mut jobs: Vec<Job>,
        batch: &mut Batch,
        chunk: &mut VecDeque<Job>,
        mode: Mode,
    ) {
        let ended = {
            let mut attempt = pin!(self.attempt_together(&mut jobs));
            match first_poll(attempt.as_mut()).await {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    self.move_on(batch, chunk, mode).await;
                    attempt.await
                }
            }
        };
        match ended {
            Some(ended) => batch.extend(jobs.iter().zip(ended).map(|(job, ended)| Event::Ended(job.id, ended))),
            None => self.spawn(jobs.into(), Mode::Alone),
        }
    }

    /// Sends the results so far, and starts the rest of the chunk in another task.
    async fn move_on(self: &Arc<Self>, batch: &mut Batch, chunk: &mut VecDeque<Job>, mode: Mode) {
        self.tell(std::mem::take(batch)).await;
        if !chunk.is_empty() {
            self.spawn(std::mem::take(chunk), mode);
        }
    }

    /// Removes the first messages of the chunk, as many as the handler takes in one call; `None` if the next message is to
    /// be handled alone.
    fn several(&self, chunk: &mut VecDeque<Job>, mode: Mode) -> Option<Vec<Job>> {
        let bounds = if mode == Mode::Alone { return None } else { self.handler.current().batch()? };
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
            // The receiver is dropped only when the process ends.
            let _ = self.ended.send(batch).await;
        }
    }
}

#[cfg(test)]
mod tests;
