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
//! their own.

mod alarm;
mod duplicates;
mod gate;
mod outbox;
mod pace;
mod transactions;
mod workers;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::action::{Action, Fate, Next};
use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::machine::{Account, Delivery, Machine};
use cofferdam_core::route::Route;
use cofferdam_core::time::Time;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::admin::{Obstacle, RouteHealth, SILENCE, State, Stuck};
use crate::clock::Clock;
use crate::dedupe;
use crate::journal::Journal;
use crate::plugin::Handler;
use crate::sink::kafka::transaction::{self, Transactions};
use crate::sink::{Answers, Busy, Sinks, Ticket};
use crate::source::Source;
use crate::telemetry::{Change, Telemetry};
use alarm::Alarm;
use duplicates::Duplicates;
pub use gate::Gate;
use outbox::Outbox;
pub use workers::Guests;
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

/// What a flow is made of.
pub struct Parts {
    /// What the route says.
    pub route: Arc<Route>,
    /// Where its messages come from.
    pub source: Source,
    /// Where its outputs, dead letters and error events go.
    pub sinks: Sinks,
    /// Who handles them.
    pub handler: Arc<Handler>,
    /// The threads that handlers run on.
    pub guests: Guests,
    /// What attempts pass before they begin, for people who watch.
    pub gate: Option<Arc<Gate>>,
    /// The clock of the process.
    pub clock: Clock,
    /// Metrics and log events of the route.
    pub telemetry: Telemetry,
    /// Where the flow says how it is.
    pub health: Arc<RouteHealth>,
    /// Sees each delivery end or fail, for people who watch.
    pub observer: Option<Box<dyn Observer>>,
    /// Takes down what happens.
    pub journal: Journal,
    /// For a route that suppresses duplicates.
    pub dedupe: Option<dedupe::Store>,
    /// For a route that has each effect exactly once.
    pub transactions: Option<Transactions>,
    /// How long a stop may take.
    pub limits: Limits,
}

/// How long a stop may take: both together, whatever is away.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What runs may take this long to finish.
    pub drain: Duration,
    /// Then brokers have this long to answer, and the source to leave.
    pub flush: Duration,
}

/// Somebody who watches deliveries end.
pub trait Observer: Send {
    /// A delivery has come to its end.
    fn settled(&mut self, delivery: &Delivery, fate: Fate);
    /// An attempt failed and the delivery goes on.
    fn troubled(&mut self, delivery: &Delivery, next: Next);
}

/// How a flow ended.
#[derive(Debug)]
pub struct Ending {
    /// What came and what became of it.
    pub account: Account,
    /// Why it stopped by itself, if it did.
    pub stopped: Option<Box<str>>,
    /// A thread that has not come back from its handler.
    pub stuck: Option<Stuck>,
    /// Its client of the broker has failed for good: only another process can go on.
    pub client_failed: bool,
    /// When the limits of its stop are over.
    pub until: Instant,
    /// A broker has not answered the last commit within them.
    pub cut_short: bool,
}

/// How long a flow that has ended waits for attempts that nobody waits for any more.
pub const LAST_ATTEMPTS: Duration = Duration::from_secs(5);

/// One route at work.
pub struct Flow {
    machine: Machine,
    source: Source,
    sinks: Sinks,
    workers: Workers,
    ended: mpsc::Receiver<workers::Batch>,
    tickets: mpsc::Sender<Answers>,
    completions: mpsc::Receiver<Answers>,
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
    transactions: Option<transaction::Running>,
    clock: Clock,
    telemetry: Telemetry,
    observer: Option<Box<dyn Observer>>,
    journal: Journal,
    health: Arc<RouteHealth>,
    limits: Limits,
    stopped: Option<Box<str>>,
    drained: bool,
    /// Health says that a destination does not take something.
    obstructed: bool,
    /// The journal cannot be written: nothing is done any more.
    is_muted: bool,
}

impl Flow {
    /// A flow, at rest.
    pub fn new(parts: Parts) -> Self {
        // Other services may share the store.
        let scope: Arc<str> = format!("{}/{}", parts.route.service, parts.route.name).into();
        let duplicates = parts.dedupe.map(|store| Duplicates::new(store, scope));
        let health = Arc::clone(&parts.health);
        let (workers, ended) = Workers::new(
            &parts.route,
            parts.handler,
            duplicates.clone(),
            parts.guests,
            parts.gate,
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
            jobs: Vec::new(),
            outbox: Outbox::default(),
            has_withdrawn: false,
            outstanding: 0,
            records: Vec::new(),
            duplicates,
            clock: parts.clock,
            telemetry: parts.telemetry,
            observer: parts.observer,
            journal: parts.journal,
            health: parts.health,
            limits: parts.limits,
            stopped: None,
            drained: false,
            obstructed: false,
            is_muted: false,
        }
    }

    /// Works until `shutdown`, or until the route stops by itself; then drains.
    pub async fn run(mut self, shutdown: CancellationToken) -> Ending {
        let (mut stopping, mut until) = (false, None);
        // One for all rounds: to listen anew in each takes a lock.
        let mut told_to_stop = pin!(shutdown.clone().cancelled_owned());
        let mut alarm = Alarm::default();
        let (mut answers, mut batches) = (Vec::new(), Vec::new());
        // The first grant.
        self.take_actions(self.clock.now());
        // Says that the loop turns, also when nothing happens.
        let mut pulse = tokio::time::interval(SILENCE / 6);
        loop {
            self.write_journal();
            if self.is_muted {
                // As if it were killed here: what is in hand comes again.
                self.health.report(State::Stopped, self.machine.account(), self.machine.in_flight(), self.clock.now());
                shutdown.cancel();
                break;
            }
            self.workers.hand_over(std::mem::take(&mut self.jobs));
            self.withdraw();
            self.publish();
            self.record();
            self.report(stopping);
            // What the last polls of a queue bring may have to be handled: see `Machine`'s drain.
            if self.drained && self.machine.in_flight() == 0 && self.source.is_dry() {
                break;
            }
            alarm.set(self.machine.next_wake().map(|at| self.clock.instant(at)));
            let busy = !self.outbox.is_empty() && self.outstanding < OUTSTANDING;
            tokio::select! {
                biased;
                () = &mut told_to_stop, if !stopping => {
                    stopping = true;
                    self.source.stop();
                    let Limits { drain, flush } = self.limits;
                    until = Some(Instant::now() + drain + flush);
                    // What is left of it is for the farewell to the group.
                    self.tell(Event::Drain { finish: drain, flush: flush / 2 });
                }
                1.. = self.completions.recv_many(&mut answers, AT_ONCE) => {
                    self.outstanding -= answers.iter().map(Vec::len).sum::<usize>();
                    self.tell_all(&mut answers);
                }
                1.. = self.ended.recv_many(&mut batches, AT_ONCE) => self.tell_all(&mut batches),
                event = self.source.next() => match event {
                    Some(event) => self.tell(event),
                    // It ends by itself only with a fault, and tells which when it is closed.
                    None => break,
                },
                () = alarm.rings() => self.tell(Event::Due),
                // In a future of its own, which makes no timer where it is not needed.
                () = async { tokio::time::sleep(SINK_BUSY).await }, if busy => {}
                _ = pulse.tick() => {
                    let now = self.clock.now();
                    self.telemetry.tick(now);
                    let stuck = self.health.stuck_in_handler(SILENCE);
                    let stuck = stuck.as_ref().map(|stuck| (stuck.plugin.as_deref().unwrap_or_default(), stuck.silent_ms));
                    self.telemetry.stuck(stuck);
                    let absence = self.source.absence(self.machine.account().received).map(|absence| (absence.lasts, absence.reason));
                    self.health.absent(absence);
                }
            }
            if self.stopped.is_some() {
                shutdown.cancel();
            }
        }
        let until = until.unwrap_or_else(|| Instant::now() + self.limits.flush);
        self.close(until).await
    }

    /// Everything that is left ends, side by side, at most until then: who has no answer by then has none.
    async fn close(self, until: Instant) -> Ending {
        let Self { workers, duplicates, transactions, source, machine, health, clock, mut stopped, .. } = self;
        // Those that nobody waits for any more.
        let left = LAST_ATTEMPTS.min(until.saturating_duration_since(Instant::now()));
        let attempts = workers.close(left);
        let records = async {
            if let Some(duplicates) = &duplicates
                && timeout_at(until, duplicates.close()).await.is_err()
            {
                tracing::warn!("the store of ids has not answered at the end");
            }
        };
        let transactions = async {
            if let Some(transactions) = transactions {
                transactions.close(until).await;
            }
        };
        let (closed, all_ended, ..) = tokio::join!(source.close(until), attempts, records, transactions);
        let stuck = if all_ended { None } else { health.stuck_in_handler(LAST_ATTEMPTS / 2) };
        let cut_short = machine.was_cut_short();
        if cut_short {
            tracing::warn!("the last commit was not answered within the limits of the stop");
        }
        let client_failed = closed.is_err();
        if let Err(reason) = closed {
            health.fail(&reason);
            stopped.get_or_insert(reason.into());
        }
        let (account, in_flight) = (*machine.account(), machine.in_flight());
        health.report(State::Stopped, &account, in_flight, clock.now());
        Ending { account, stopped, stuck, client_failed, until, cut_short }
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
        self.watch(&event, now);
        // What comes behind a refused publication of its key is taken back before a sink gets it.
        self.has_withdrawn |= matches!(event, Event::NotDurable { .. });
        self.journal.heard(&event, &self.machine);
        self.machine.handle(event, now);
        self.take_actions(now);
    }

    fn take_actions(&mut self, now: Time) {
        while let Some(action) = self.machine.next_action() {
            if self.journal.takes(&action, &self.machine) {
                self.write_journal();
            }
            if self.is_muted {
                continue;
            }
            match action {
                Action::Handle(id) => {
                    self.jobs.extend(self.machine.delivery(id).map(|delivery| Job::new(id, delivery)));
                }
                Action::Publish { delivery, index } => self.outbox.push((delivery, index)),
                Action::Ask(ask) => self.source.ask(ask),
                Action::Settled { delivery, fate } => self.settled(delivery, fate, now),
                Action::Troubled { delivery, next } => self.troubled(delivery, next, now),
                Action::Record(id) => {
                    let event = self.machine.delivery(id).and_then(|delivery| delivery.event());
                    self.records.extend(event.map(|event| (id, event.into())));
                }
                Action::Transact { deliveries, positions } => self.transact(&deliveries, positions),
                Action::Holding(holding) => self.telemetry.holding(holding),
                Action::Circuit(circuit) => self.telemetry.circuit(circuit),
                Action::Blocked(blocked) => self.telemetry.blocked(&blocked),
                Action::Unblocked(partition) => self.telemetry.unblocked(&partition),
                Action::MetadataIgnored(partition, why) => self.telemetry.metadata_ignored(&partition, &why),
                Action::Stop(reason) => {
                    self.telemetry.stopped(&reason);
                    self.stopped = Some(reason);
                }
                Action::Drained => self.drained = true,
            }
        }
    }

    /// Hands publications to the sinks, in order, as far as they have room.
    fn publish(&mut self) {
        while self.outstanding < OUTSTANDING && !self.is_muted {
            let Some(((delivery, index), ticket)) = self.outbox.next() else { return };
            let publication = self.machine.delivery(delivery).and_then(|delivery| delivery.publication(index));
            let publication = publication.expect("a delivery stays until its publications are answered");
            let ticket = ticket.unwrap_or_else(|| {
                let once = self.machine.is_to_be_sent_once(delivery);
                Ticket::new(self.tickets.clone(), delivery, index).sent_once(once)
            });
            if let Err((ticket, Busy)) = self.sinks.publish(publication, ticket) {
                self.outbox.turn_back((delivery, index), ticket);
                return;
            }
            self.outstanding += 1;
        }
    }

    /// Sends nothing more of deliveries that have ended otherwise. Were it sent all the same, a route that loses its partitions
    /// again and again while its sink is slow would hold more and more of what nobody waits for.
    fn withdraw(&mut self) {
        if std::mem::take(&mut self.has_withdrawn) {
            let withdrawn = self.outbox.withdraw(|delivery| self.machine.is_to_be_sent(delivery));
            for (delivery, index) in withdrawn {
                let refusal = Refusal::Unavailable("its message is no longer ours".into());
                self.tell(Event::NotDurable { delivery, index, refusal });
            }
        }
    }

    /// What was taken down stands in the file before anything is done because of it.
    fn write_journal(&mut self) {
        if let Err(error) = self.journal.flush() {
            self.is_muted = true;
            self.stopped
                .get_or_insert_with(|| format!("failed to write the journal: {error}; nothing was done since").into());
        }
    }

    /// Hands events to the store of ids.
    fn record(&mut self) {
        if let Some(duplicates) = &self.duplicates
            && !self.records.is_empty()
            && !self.is_muted
        {
            self.outstanding += duplicates.record(std::mem::take(&mut self.records), &self.tickets);
        }
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        self.has_withdrawn |= matches!(fate, Fate::Released | Fate::Revoked | Fate::Abandoned);
        let Some(delivery) = self.machine.delivery(id) else { return };
        self.telemetry.settled(delivery, fate, now);
        if let Some(observer) = &mut self.observer {
            observer.settled(delivery, fate);
        }
    }

    fn troubled(&mut self, id: DeliveryId, next: Next, now: Time) {
        let Some(delivery) = self.machine.delivery(id) else { return };
        self.telemetry.troubled(delivery, next, now);
        if let (Next::Hold(_) | Next::Refused(_), Some(refusal)) = (next, delivery.refusal()) {
            self.obstructed = true;
            self.health.obstructed(Obstacle {
                destination: refusal.destination.to_string().into(),
                reason: refusal.text.clone(),
                refused_dead_letters: self.machine.refused(),
                since: now,
            });
        }
        if let Some(observer) = &mut self.observer {
            observer.troubled(delivery, next);
        }
    }

    /// What people want to know of an event, before the machine has heard of it.
    fn watch(&mut self, event: &Event, now: Time) {
        let telemetry = &mut self.telemetry;
        match event {
            Event::Ended(delivery, ended) => {
                if let Some(delivery) = self.machine.delivery(*delivery) {
                    telemetry.ended(delivery, ended);
                }
            }
            Event::Durable { delivery, index } => {
                if let Some(delivery) = self.machine.delivery(*delivery) {
                    telemetry.produced(delivery, *index, now);
                }
            }
            Event::Transacted(_) => self.watch_transaction(now),
            Event::Assigned(assigned) => {
                telemetry.rebalance(Change::Assigned, assigned.iter().map(|assignment| &assignment.partition));
            }
            Event::Revoked(partitions) => telemetry.rebalance(Change::Revoked, partitions.iter()),
            Event::Lost(partitions) => telemetry.rebalance(Change::Lost, partitions.iter()),
            Event::Superseded(partitions) => telemetry.superseded(partitions),
            Event::Records { records, .. } => telemetry.received(records.len()),
            Event::Messages(messages) => telemetry.received(messages.len()),
            _ => {}
        }
    }

    fn report(&mut self, stopping: bool) {
        let state = match (self.drained, stopping, self.machine.is_holding()) {
            (true, ..) => State::Stopped,
            (_, true, _) => State::Draining,
            (.., true) => State::Holding,
            _ => State::Running,
        };
        self.health.report(state, self.machine.account(), self.machine.in_flight(), self.clock.now());
        self.telemetry.in_flight(self.machine.in_flight());
        if self.obstructed {
            self.telemetry.refused(self.machine.refused());
            if !self.machine.is_holding() && self.machine.refused() == 0 {
                self.obstructed = false;
                self.health.unobstructed();
            }
        }
    }
}
