//! Drives the delivery rules of one route: feeds the machine what happened, carries out what it wants.
//!
//! The way of a message, on one screen:
//!
//! ```text
//! source.next ─► machine ─► workers: admit ─► handle ─► resolve ─► machine ─► sinks.publish ─► machine ─► source.ask
//!  (kafka, sqs)  (bounds,             (envelope,  (sandbox)  (outputs)   (judge,                   (settle,    (commit,
//!                 order)               route)                            retry)                     then)       delete)
//! ```
//!
//! One task drives a route, on a thread of its own; nothing in it is shared, so nothing is locked. Guests run on a runtime of
//! their own. Metrics, journal and health hear of it as [`Listener`](crate::listener::Listener)s.

mod alarm;
mod close;
mod duplicates;
mod guests;
mod listeners;
mod outbox;
mod pace;
mod parts;
mod publish;
mod report;
mod transact;
mod workers;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::action::{Action, Fate};
use cofferdam_core::command::Command;
use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{RouteHealth, SILENCE};
use crate::clock::Clock;
use crate::handler::Handler;
use crate::listener::Phase;
use crate::sink::{Answers, Sinks};
use crate::source::{self, Source};
use crate::transactions;
use alarm::Alarm;
pub use close::{Ending, LAST_ATTEMPTS};
use duplicates::Duplicates;
pub use guests::Guests;
use listeners::Listeners;
use outbox::Outbox;
pub use parts::{Limits, Parts};
use workers::{Job, Workers};

/// Publications handed to sinks and not answered, at most; the others wait their turn here.
const OUTSTANDING: usize = 16_384;

/// Room for answers beside those of publications: one of a transaction, and of records of events, which are fewer than
/// what is in flight.
const OTHER_ANSWERS: usize = 65_536;

/// Batches of events that are heard together: a round costs more than a few events.
const AT_ONCE: usize = 64;

/// When a sink's queue was full, it is tried again after this, or when it has answered something.
const SINK_BUSY: Duration = Duration::from_millis(5);

/// One route at work.
pub struct Flow<H> {
    machine: Machine,
    source: Box<dyn Source>,
    sinks: Sinks,
    workers: Workers<H>,
    ended: mpsc::Receiver<workers::Batch>,
    tickets: mpsc::Sender<Answers>,
    completions: mpsc::Receiver<Answers>,
    /// What people and the host want of it.
    commands: mpsc::Receiver<Command>,
    /// Attempts to hand over, all of one round together.
    jobs: Vec<Job>,
    /// Publications that have not been handed to a sink.
    outbox: Outbox,
    /// Deliveries have ended whose publications may be among those.
    has_withdrawn: bool,
    /// Events to record, all of one round together.
    records: Vec<(DeliveryId, Box<str>)>,
    duplicates: Option<Duplicates>,
    /// Publications, transactions and records of events that are not answered.
    outstanding: usize,
    transactions: Option<Box<dyn transactions::Running>>,
    clock: Clock,
    listeners: Listeners,
    health: Arc<RouteHealth>,
    limits: Limits,
    stopped: Option<Box<str>>,
    /// When the limits of its stop are over, once that has begun.
    until: Option<Instant>,
    drained: bool,
}

impl<H: Handler> Flow<H> {
    /// A flow, at rest.
    pub fn new(parts: Parts<H>) -> Self {
        // Other services may share the store.
        let scope: Arc<str> = format!("{}/{}", parts.route.service, parts.route.name).into();
        let duplicates = parts.dedupe.map(|store| Duplicates::new(store, scope));
        let health = Arc::clone(&parts.health);
        let (workers, ended) = Workers::new(
            &parts.route,
            parts.handler,
            duplicates.clone(),
            parts.guests,
            parts.stages,
            health,
            parts.clock,
        );
        let (tickets, completions) = mpsc::channel(OUTSTANDING + OTHER_ANSWERS);
        // It signs commits: no other process may have the same.
        let seed = uuid::Uuid::new_v4().as_u64_pair().1;
        Self {
            machine: Machine::new(parts.route, seed),
            transactions: parts.transactions.map(|transactions| transactions.start(tickets.clone())),
            source: parts.source,
            sinks: parts.sinks,
            workers,
            ended,
            tickets,
            completions,
            commands: parts.commands,
            jobs: Vec::new(),
            outbox: Outbox::default(),
            has_withdrawn: false,
            outstanding: 0,
            records: Vec::new(),
            duplicates,
            clock: parts.clock,
            listeners: Listeners::new(parts.listeners),
            health: parts.health,
            limits: parts.limits,
            stopped: None,
            until: None,
            drained: false,
        }
    }

    /// Works until `shutdown`, until a command to drain, or until the route stops by itself; then drains.
    pub async fn run(mut self, shutdown: CancellationToken) -> Ending {
        // One for all rounds: to listen anew in each takes a lock.
        let mut told_to_stop = pin!(shutdown.clone().cancelled_owned());
        let mut alarm = Alarm::default();
        let (mut answers, mut batches) = (Vec::new(), Vec::new());
        // The first grant.
        self.take_actions(self.clock.now());
        // Says that the loop turns, also when nothing happens.
        let mut pulse = tokio::time::interval(SILENCE / 6);
        loop {
            if let Err(reason) = self.listeners.flush() {
                // As if it were killed here: what is in hand comes again.
                self.stopped.get_or_insert(reason);
                self.round(Phase::Stopped);
                shutdown.cancel();
                break;
            }
            self.workers.hand_over(std::mem::take(&mut self.jobs));
            self.withdraw();
            self.publish();
            self.record();
            self.round(self.phase());
            // What the last polls of a queue bring may have to be handled: see `Machine`'s drain.
            if self.drained && self.machine.in_flight() == 0 && self.source.is_dry() {
                break;
            }
            alarm.set(self.machine.next_wake().map(|at| self.clock.instant(at)));
            let stopping = self.until.is_some();
            let busy = !self.outbox.is_empty() && self.outstanding < OUTSTANDING;
            tokio::select! {
                biased;
                () = &mut told_to_stop, if !stopping => self.drain(self.limits),
                Some(command) = self.commands.recv() => self.command(command),
                1.. = self.completions.recv_many(&mut answers, AT_ONCE) => {
                    self.outstanding -= answers.iter().map(Vec::len).sum::<usize>();
                    self.tell_all(&mut answers);
                }
                1.. = self.ended.recv_many(&mut batches, AT_ONCE) => self.tell_all(&mut batches),
                event = source::next(&mut *self.source) => match event {
                    Some(event) => self.tell(event),
                    // It ends by itself only with a fault, and tells which when it is closed.
                    None => break,
                },
                () = alarm.rings() => self.tell(Event::Due),
                // In a future of its own, which makes no timer where it is not needed.
                () = async { tokio::time::sleep(SINK_BUSY).await }, if busy => {}
                _ = pulse.tick() => self.tick(),
            }
            if self.stopped.is_some() {
                shutdown.cancel();
            }
        }
        let until = self.until.unwrap_or_else(|| Instant::now() + self.limits.flush);
        self.close(until).await
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Drain { finish, flush } => self.drain(Limits { drain: finish, flush }),
            Command::Pause | Command::Resume | Command::TryOne => self.tell(Event::Command(command)),
        }
    }

    /// Takes in nothing more, and ends within these limits. The first that are given stay.
    fn drain(&mut self, Limits { drain, flush }: Limits) {
        if self.until.is_none() {
            self.source.stop();
            self.until = Some(Instant::now() + drain + flush);
            // What is left of it is for the farewell to the group.
            self.tell(Event::Command(Command::Drain { finish: drain, flush: flush / 2 }));
        }
    }

    /// Tells the machine what happened, and takes in what it wants.
    fn tell(&mut self, event: Event) {
        self.tell_at(event, self.clock.now());
    }

    /// Tells of all events that came together, and so at one time.
    fn tell_all(&mut self, events: &mut Vec<Vec<Event>>) {
        let now = self.clock.now();
        events.drain(..).flatten().for_each(|event| self.tell_at(event, now));
    }

    /// Each event for itself: a delivery that has ended can be looked at until the next.
    fn tell_at(&mut self, event: Event, now: Time) {
        if let Event::Unanswered(unanswered) = event {
            return self.machine.decide(unanswered).into_iter().for_each(|event| self.tell_at(event, now));
        }
        self.listeners.event(&event, &self.machine, now);
        // What comes behind a refused publication of its key is taken back before a sink gets it.
        self.has_withdrawn |= matches!(event, Event::NotDurable { .. });
        self.machine.handle(event, now);
        self.take_actions(now);
    }

    fn take_actions(&mut self, now: Time) {
        while let Some(action) = self.machine.next_action() {
            if !self.listeners.action(&action, &self.machine, now) {
                continue;
            }
            match action {
                Action::Handle(id) => {
                    self.jobs.extend(self.machine.delivery(id).map(|delivery| Job::new(id, delivery)));
                }
                Action::Publish { delivery, index } => self.outbox.push((delivery, index)),
                Action::Ask(ask) => self.source.ask(ask),
                // Publications of it may wait to be sent.
                Action::Settled { fate, .. } => {
                    self.has_withdrawn |= matches!(fate, Fate::Released | Fate::Revoked | Fate::Abandoned);
                }
                Action::Record(id) => {
                    let event = self.machine.delivery(id).and_then(|delivery| delivery.event());
                    self.records.extend(event.map(|event| (id, event.into())));
                }
                Action::Transact { deliveries, positions } => self.transact(&deliveries, positions),
                Action::Stop(reason) => self.stopped = Some(reason),
                Action::Drained => self.drained = true,
                // For the listeners alone.
                Action::Troubled { .. }
                | Action::Holding(_)
                | Action::Paused(_)
                | Action::Circuit(_)
                | Action::MetadataIgnored(..)
                | Action::Blocked(_)
                | Action::Unblocked(_) => {}
            }
        }
    }
}
