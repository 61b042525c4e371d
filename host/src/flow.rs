//! Runs one route: passes events to the delivery state machine ([`Machine`]) and carries out the actions that it returns.
//!
//! The path of a message:
//!
//! ```text
//! source.next ─► machine ─► workers: admit ─► handle ─► resolve ─► machine ─► sinks.publish ─► machine ─► source.ask
//!  (kafka, sqs)  (bounds,             (envelope,  (sandbox)  (outputs)   (judge,                   (settle,    (commit,
//!                 order)               route)                            retry)                     then)       delete)
//! ```
//!
//! One task runs a route, on its own thread. The task shares no state with other routes, so it needs no locks. Handlers also
//! run on the threads of [`Guests`]. The journal, metrics and health observe the flow as
//! [`Listener`](crate::listener::Listener)s.

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

/// Maximum number of unanswered publications, transactions and batches of event ids at which the flow still gives a
/// publication to a sink. Further publications stay in the outbox.
const OUTSTANDING: usize = 16_384;

/// Room in the answer queue beyond that for publications: one answer of a transaction, and the answers of the event-id
/// store, which are fewer than the messages in flight.
const OTHER_ANSWERS: usize = 65_536;

/// Maximum number of batches that one round of the loop takes from a queue. A round has a fixed cost, which these batches
/// share.
const AT_ONCE: usize = 64;

/// Delay before the flow tries a full sink again. An answer of any sink ends the delay earlier.
const SINK_BUSY: Duration = Duration::from_millis(5);

/// The event loop of one route.
pub struct Flow<H> {
    machine: Machine,
    source: Box<dyn Source>,
    sinks: Sinks,
    workers: Workers<H>,
    ended: mpsc::Receiver<workers::Batch>,
    tickets: mpsc::Sender<Answers>,
    completions: mpsc::Receiver<Answers>,
    /// Commands from the operator or the host: pause, resume, try, drain.
    commands: mpsc::Receiver<Command>,
    /// Attempts to start; all attempts of a round are handed over together.
    jobs: Vec<Job>,
    /// Publications that no sink has accepted yet.
    outbox: Outbox,
    /// Whether the outbox may contain publications that must not be sent any more.
    has_withdrawn: bool,
    /// Event ids to record in the event-id store; all ids of a round are recorded together.
    records: Vec<(DeliveryId, Box<str>)>,
    duplicates: Option<Duplicates>,
    /// Number of publications, transactions and batches of event ids that are not answered yet.
    outstanding: usize,
    transactions: Option<Box<dyn transactions::Running>>,
    clock: Clock,
    listeners: Listeners,
    health: Arc<RouteHealth>,
    limits: Limits,
    stopped: Option<Box<str>>,
    /// The end of the drain and flush limits; `None` before the drain begins.
    until: Option<Instant>,
    drained: bool,
}

impl<H: Handler> Flow<H> {
    /// Builds the flow. It does no work before [`run`](Self::run).
    pub fn new(parts: Parts<H>) -> Self {
        // Other services may use the same event-id store.
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
        // The seed makes the commit marks of transactions unique, so no other process may have the same seed.
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

    /// Runs the route until `shutdown` is cancelled, a drain command arrives or the route stops itself; then drains and
    /// closes.
    pub async fn run(mut self, shutdown: CancellationToken) -> Ending {
        // Created once, because a new `cancelled` future in each round takes a lock.
        let mut told_to_stop = pin!(shutdown.clone().cancelled_owned());
        let mut alarm = Alarm::default();
        let (mut answers, mut batches) = (Vec::new(), Vec::new());
        // Carries out the first grant, which `Machine::new` has queued.
        self.take_actions(self.clock.now());
        // Shows health checks that the loop is running, also while no message arrives.
        let mut pulse = tokio::time::interval(SILENCE / 6);
        loop {
            if let Err(reason) = self.listeners.flush() {
                // The route ends as if the process were killed: messages in flight are delivered again.
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
            // The last polls of a queue may return messages after the drain; the machine then drains again.
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
                    // A source ends by itself only after a fault; `close` returns the reason.
                    None => break,
                },
                () = alarm.rings() => self.tell(Event::Due),
                // The async block creates the timer only if `busy` is true.
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

    /// Stops intake and ends the flow within these limits. A later call doesn't change the limits.
    fn drain(&mut self, Limits { drain, flush }: Limits) {
        if self.until.is_none() {
            self.source.stop();
            self.until = Some(Instant::now() + drain + flush);
            // The other half of `flush` is left for leaving the consumer group.
            self.tell(Event::Command(Command::Drain { finish: drain, flush: flush / 2 }));
        }
    }

    /// Passes an event to the machine and carries out the resulting actions.
    fn tell(&mut self, event: Event) {
        self.tell_at(event, self.clock.now());
    }

    /// Passes all events with the same time, because they arrived together.
    fn tell_all(&mut self, events: &mut Vec<Vec<Event>>) {
        let now = self.clock.now();
        events.drain(..).flatten().for_each(|event| self.tell_at(event, now));
    }

    /// Carries out the actions after each event, because the machine keeps a finished delivery only until the next event.
    fn tell_at(&mut self, event: Event, now: Time) {
        if let Event::Unanswered(unanswered) = event {
            return self.machine.decide(unanswered).into_iter().for_each(|event| self.tell_at(event, now));
        }
        self.listeners.event(&event, &self.machine, now);
        // Later publications with the same key must be withdrawn before a sink gets them.
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
                // Publications of this delivery may still be in the outbox.
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
                // Only listeners use these actions.
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
