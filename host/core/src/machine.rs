//! The state machine of message delivery, from the receipt of a record to its acknowledgement.
//!
//! One machine serves one route. It takes [`Event`]s and returns [`Action`]s; [`Machine::next_wake`] returns the time at
//! which it needs an [`Event::Due`]. Sources differ in their [abilities](crate::source::SourceTraits): they acknowledge all
//! records up to an offset, or each message separately, with or without a lease. Everything else is the same for all
//! sources.
//!
//! The states of a delivery:
//!
//! ```text
//!            ┌── waits ◄── parked ◄─────────┐ retry, deferral, hold
//! received ──┤  (behind its key)            │
//!            └──────────► running ──► judged┴─► publishing ──► acknowledged
//!                                               (outputs, or dead letter and error event)
//! ```

mod account;
mod acknowledge;
mod admission;
mod attempt;
mod audit;
mod breaker;
mod commit;
mod delivery;
mod drain;
mod gate;
mod intake;
mod key;
mod lease;
mod memory;
mod opened;
mod overdue;
mod partition;
mod pause;
mod prefetch;
mod publish;
mod rebalance;
mod refused;
mod retire;
#[cfg(feature = "sabotage")]
mod sabotage;
mod stuck;
mod timers;
mod transaction;
mod unanswered;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use slotmap::SlotMap;

pub use account::Account;
pub use admission::HeldBack;
pub use delivery::{Delivery, Trouble};
#[cfg(feature = "sabotage")]
pub use sabotage::Sabotage;

use crate::action::{Action, Ask, Fate};
use crate::event::Event;
use crate::ids::{CommitPosition, DeliveryId};
use crate::lanes::{LaneHash, Lanes};
use crate::route::{Bounds, Route};
use crate::time::Time;
use admission::Ready;
use breaker::Watch;
use commit::Commits;
use delivery::State;
use drain::Draining;
use gate::Identities;
use intake::Intake;
use memory::Memory;
use overdue::Overdue;
use partition::Partitions;
use pause::Pause;
use prefetch::Prefetch;
use retire::Retired;
use timers::{Timer, Timers};

/// The delivery rules of one route.
#[derive(Debug)]
pub struct Machine {
    route: Arc<Route>,
    deliveries: SlotMap<DeliveryId, Delivery>,
    lanes: Lanes,
    /// Deliveries that may start when it is their turn.
    ready: Ready,
    /// Attempts that were started and have not ended, including those of forgotten deliveries.
    running: u32,
    /// Number of deliveries that wait until the host or a destination works again.
    held: u32,
    /// Number of deliveries whose dead letter was refused for good by its destination.
    refused: u32,
    /// Number of deliveries that are neither settled nor handed back.
    live: usize,
    intake: Intake,
    prefetch: Prefetch,
    partitions: Partitions,
    memory: Memory,
    overdue: Overdue,
    commits: Commits,
    /// Deliveries in the unanswered transaction.
    transaction: Vec<DeliveryId>,
    identities: Identities,
    watch: Watch,
    pause: Pause,
    timers: Timers,
    draining: Draining,
    /// The end of the time for running attempts in a drain.
    drain_until: Time,
    /// Lanes of which a drain has abandoned a message that its queue, for want of a lease, delivers again only after this
    /// host has stopped.
    abandoned: HashSet<LaneHash>,
    /// The time of the newest event.
    now: Time,
    /// Whether a timer is set to check partitions that have reached a bound.
    looks_for_stuck: bool,
    actions: VecDeque<Action>,
    retired: Retired,
    account: Account,
    chance: fastrand::Rng,
    #[cfg(feature = "sabotage")]
    sabotage: Option<Sabotage>,
}

/// The numbers of actions that are not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// Attempts with a worker, including those of forgotten deliveries.
    pub attempts: usize,
    /// Publications with a sink.
    pub publications: usize,
}

impl Machine {
    /// Makes a machine for `route`. `seed` determines the jitter and signs the commits of transactions, so no other machine
    /// of the consumer group may have the same seed.
    pub fn new(route: Arc<Route>, seed: u64) -> Self {
        debug_assert!(route.source.transactions || !route.is_exactly_once(), "the source has no transactions");
        debug_assert!(route.source.counts_deliveries || route.source.max_receives.is_none(), "who limits counts");
        let mut machine = Self {
            intake: Intake::new(route.bounds),
            prefetch: Prefetch::default(),
            partitions: Partitions::new(route.commit_metadata, route.is_exactly_once().then_some(seed)),
            route,
            deliveries: SlotMap::with_key(),
            lanes: Lanes::default(),
            ready: Ready::default(),
            running: 0,
            live: 0,
            held: 0,
            refused: 0,
            memory: Memory::default(),
            overdue: Overdue::default(),
            commits: Commits::default(),
            transaction: Vec::new(),
            identities: Identities::default(),
            watch: Watch::default(),
            pause: Pause::default(),
            timers: Timers::default(),
            draining: Draining::No,
            drain_until: Time::default(),
            abandoned: HashSet::new(),
            now: Time::default(),
            looks_for_stuck: false,
            actions: VecDeque::new(),
            retired: Retired::default(),
            account: Account::default(),
            chance: fastrand::Rng::with_seed(seed),
            #[cfg(feature = "sabotage")]
            sabotage: None,
        };
        machine.replenish(Time::default());
        machine
    }

    /// Handles an event that happened at `now`, which must not be before the `now` of the last call.
    pub fn handle(&mut self, event: Event, now: Time) {
        self.now = now;
        if self.retired.is_enough() || !matches!(event, Event::Ended(..) | Event::Durable { .. }) {
            self.sweep();
        }
        // After a long standstill of the process, leases may be over. They are given up before other events are handled,
        // unless this event already reports the loss. Otherwise the host could have two receipts of one message and treat
        // both as valid.
        if !matches!(event, Event::Assigned(_) | Event::Lost(_) | Event::LeaseLost(_)) {
            self.due(now);
        }
        self.take_in(event, now);
        self.dispatch(now);
        self.wind_up();
        self.replenish(now);
        self.end_drain();
    }

    fn take_in(&mut self, event: Event, now: Time) {
        match event {
            Event::Assigned(assignments) => self.assigned(assignments),
            Event::Revoked(partitions) => self.revoked(&partitions, now),
            Event::Lost(partitions) => self.lost(&partitions),
            Event::Records { partition, records } => self.records(&partition, records, now),
            Event::Reached { partition, from, offset } => self.reached(&partition, from, offset, now),
            Event::Messages(messages) => self.messages(messages, now),
            Event::Committed(positions) => self.committed(&positions, now),
            Event::CommitFailed(positions) => self.commit_failed(&positions, now),
            Event::Deleted(deliveries) => self.deleted(&deliveries),
            Event::DeleteFailed(deliveries) => self.delete_failed(&deliveries, now),
            Event::Extended { deliveries, until } => self.extended(&deliveries, until),
            Event::LeaseLost(deliveries) => deliveries.into_iter().for_each(|id| self.lease_lost(id)),
            Event::Ended(id, ended) => self.ended(id, ended, now),
            Event::Known(id) => self.known(id, now),
            Event::Recorded(deliveries) => self.recorded(&deliveries, now),
            Event::NotRecorded(deliveries, text) => self.not_recorded(&deliveries, &text, now),
            Event::Transacted(positions) => self.transacted(&positions, now),
            Event::NotTransacted(positions, aborted) => self.not_transacted(&positions, aborted, now),
            Event::Unanswered(unanswered) => {
                self.decide(unanswered).into_iter().for_each(|event| self.take_in(event, now));
            }
            Event::Superseded(partitions) => self.superseded(&partitions),
            Event::Durable { delivery, index: _ } => self.durable(delivery, now),
            Event::NotDurable { delivery, index, refusal } => self.not_durable(delivery, index, refusal, now),
            Event::Due => {}
            Event::Command(command) => self.command(command, now),
        }
    }

    /// The next action to carry out, if there is one.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The time at which an [`Event::Due`] is needed, if any. An early or late one does no harm.
    pub fn next_wake(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The delivery that an action names.
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(id)
    }

    /// Whether a publication of this delivery that no sink has accepted yet must still be sent. The answer is no if the
    /// delivery has ended meanwhile (its partition or lease is lost, or a drain was cut short): the message is then
    /// delivered again, here or on another host, and publishes again. The driver answers with [`Event::NotDurable`]. With
    /// delivery at most once the message is not delivered again, so its publications are always sent.
    ///
    /// The answer is also no if the sink has refused an earlier publication of the same lane, because readers would see the
    /// two in the wrong order. The machine asks for the publication again after the earlier one.
    pub fn is_to_be_sent(&self, id: DeliveryId) -> bool {
        let Some(delivery) = self.deliveries.get(id) else { return false };
        (delivery.is_live() || self.route.is_at_most_once()) && !self.is_overtaking(id, delivery)
    }

    /// Whether a publication of this delivery must not be sent again if it may have arrived. That is so for outputs with
    /// delivery at most once. Dead letters and error events are sent until they are durable, because the only copy might be
    /// lost otherwise.
    pub fn is_to_be_sent_once(&self, id: DeliveryId) -> bool {
        self.route.is_at_most_once() && self.deliveries.get(id).is_some_and(|delivery| !delivery.storing)
    }

    /// All deliveries in memory, including forgotten ones with unanswered actions.
    pub fn deliveries(&self) -> impl Iterator<Item = (DeliveryId, &Delivery)> {
        self.deliveries.iter().filter(|(_, delivery)| delivery.state != State::Retired)
    }

    /// The current use of the route's bounds: the number of received messages that are neither covered by a commit nor gone
    /// from the queue, and the bytes of records and outputs in memory.
    pub fn in_use(&self) -> Bounds {
        self.intake.in_use()
    }

    /// Whether this commit was requested since its partition was assigned to this machine, and is not confirmed.
    pub fn is_asked(&self, position: &CommitPosition) -> bool {
        self.partitions.is_asked(position)
    }

    /// Deliveries in the unanswered transaction, in its order.
    pub fn in_transaction(&self) -> impl Iterator<Item = DeliveryId> {
        self.transaction.iter().copied()
    }

    /// The numbers of actions that are not answered yet.
    pub fn out(&self) -> Out {
        let pending = self.deliveries.values().map(|delivery| delivery.pending as usize).sum();
        Out { attempts: self.running as usize, publications: pending }
    }

    /// The counters since the start.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Number of deliveries that are neither settled nor handed back.
    pub fn in_flight(&self) -> usize {
        self.live
    }

    /// Whether intake is closed because a destination or plugin is unavailable or too many messages fail.
    pub fn is_holding(&self) -> bool {
        self.held > 0 || self.is_circuit_open()
    }

    /// Whether the circuit breaker lets no attempts start, or only probes.
    pub fn is_circuit_open(&self) -> bool {
        !self.watch.is_closed()
    }

    fn due(&mut self, now: Time) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Again(id) => self.again(id),
                Timer::Publish(id) => self.publish_again(id, now),
                Timer::Overdue => self.check_overdue(now),
                Timer::Delete(id) => self.delete_again(id),
                Timer::Lease(id) => self.check_lease(id, now),
                Timer::Record(id) => self.record_again(id),
                Timer::Commit => self.commit_due(now),
                Timer::Probe => self.probe(now),
                Timer::Stuck => self.look_at_stuck(now),
                Timer::GiveUp(partition) => self.give_up_now(partition),
                Timer::Drain => self.drain_limit(),
                Timer::Flush => self.flush_limit(),
            }
        }
    }

    /// Starts attempts while there is room for them.
    fn dispatch(&mut self, now: Time) {
        while let Some(id) = self.next_to_start(now) {
            self.start(id, now);
        }
    }

    fn start(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Running;
        if delivery.start_attempt(&self.route.source, now) {
            self.prefetch.begins(now);
        }
        self.running += 1;
        let is_retry = delivery.attempt > 1;
        self.watch.started(id, is_retry);
        #[cfg(feature = "sabotage")]
        let counts = !self.is_sabotaged(Sabotage::TriesWithoutEnd);
        #[cfg(not(feature = "sabotage"))]
        let counts = true;
        if counts {
            self.pause.started();
        }
        self.actions.push_back(Action::Handle(id));
    }

    /// Grants the source further messages.
    fn replenish(&mut self, now: Time) {
        if self.draining.is_draining() || self.held > 0 || self.watch.is_open() {
            return;
        }
        if self.intake.is_full() {
            self.look_for_stuck();
        }
        let lookahead = self.lookahead(now);
        if let Some((messages, bytes)) = self.intake.replenish(lookahead) {
            #[cfg(feature = "sabotage")]
            let messages = if self.is_sabotaged(Sabotage::GrantedTwice) { 2 * messages } else { messages };
            self.actions.push_back(Action::Ask(Ask::Grant { messages, bytes }));
        }
    }

    /// Ends a delivery with a fate. Its unanswered attempt and publications are awaited, and the delivery is dropped
    /// afterwards.
    fn finish(&mut self, id: DeliveryId, fate: Fate) {
        self.let_go(id);
        self.give_up_event(id);
        let delivery = &mut self.deliveries[id];
        debug_assert!(delivery.is_live(), "a delivery ends once");
        self.account.end(fate);
        self.live -= 1;
        if delivery.is_unstarted() {
            self.prefetch.gone();
        }
        self.actions.push_back(Action::Settled { delivery: id, fate });
        #[cfg(feature = "sabotage")]
        if self.sabotage == Some(Sabotage::DuplicateSettle) {
            self.actions.push_back(Action::Settled { delivery: id, fate });
        }
        let partition = delivery.partition();
        if let (State::Prepared(_), Some((key, offset))) = (delivery.state, delivery.offset()) {
            self.partitions.unprepare(key, offset);
        }
        if delivery.is_out() {
            delivery.state = State::Forgotten;
        } else {
            self.retire(id);
        }
        if let Some(partition) = partition {
            self.partition_left(partition);
        }
    }

    /// Removes a delivery from its lane, so that the next of the lane may run.
    fn step_aside(&mut self, id: DeliveryId) {
        let Some(lane) = self.deliveries[id].lane.take() else { return };
        if let Some(next) = self.lanes.leave(lane, id) {
            self.enqueue(next);
        }
    }

    /// Lets the next of the lane run. The delivery stays in the lane until all its publications are durable.
    fn hand_on(&mut self, id: DeliveryId) {
        if let Some(next) = self.deliveries[id].lane.and_then(|lane| self.lanes.hand_on(lane, id)) {
            self.ready.push_first(next);
        }
    }

    /// Removes a delivery from its lane together with all that wait behind it, and returns them in order; none of them will
    /// run. A delivery with a worker blocks its key until the attempt has ended, so that the next receipt of the record
    /// waits for that. With delivery at most once, those behind it cannot be handed back, so they stay and run in turn.
    fn withdraw(&mut self, id: DeliveryId) -> Vec<DeliveryId> {
        let mut withdrawn = vec![id];
        if let Some(lane) = self.deliveries[id].lane.filter(|_| !self.route.is_at_most_once()) {
            withdrawn.extend(self.lanes.cut(lane, id));
            for behind in &withdrawn[1..] {
                self.deliveries[*behind].lane = None;
            }
        }
        if self.deliveries[id].state != State::Running {
            self.step_aside(id);
        }
        withdrawn
    }
}
