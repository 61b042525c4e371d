//! The order of steps, from a record's arrival to its acknowledgement.
//!
//! One machine serves one route. It takes [`Event`]s and answers with [`Action`]s; [`Machine::next_wake`] says when
//! it wants an [`Event::Due`]. Sources differ in their [abilities](crate::source::SourceTraits): they acknowledge everything up
//! to an offset, or each message for itself, with a lease or without one. They share everything else.
//!
//! A delivery's way:
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
mod lease;
mod memory;
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

use std::collections::VecDeque;
use std::sync::Arc;

use slotmap::SlotMap;

pub use account::Account;
pub use admission::HeldBack;
pub use delivery::{Delivery, Trouble};
#[cfg(feature = "sabotage")]
pub use sabotage::Sabotage;

use crate::action::{Action, Ask, Fate};
use crate::event::Event;
use crate::ids::DeliveryId;
use crate::lanes::Lanes;
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
    /// Those that may start once they have their turn.
    ready: Ready,
    /// Attempts handed out and not ended, forgotten ones included.
    running: u32,
    /// Deliveries that wait for the host or a destination to work again.
    held: u32,
    /// Deliveries whose dead letter no destination takes.
    refused: u32,
    /// Neither settled nor handed back.
    live: usize,
    intake: Intake,
    prefetch: Prefetch,
    partitions: Partitions,
    memory: Memory,
    overdue: Overdue,
    commits: Commits,
    /// Deliveries of the transaction that was asked for and not answered.
    transaction: Vec<DeliveryId>,
    identities: Identities,
    watch: Watch,
    pause: Pause,
    timers: Timers,
    draining: Draining,
    /// When what runs in a drain is no longer waited for.
    drain_until: Time,
    /// The time of the newest event.
    now: Time,
    /// A timer is set to look at partitions that have reached a bound.
    looks_for_stuck: bool,
    actions: VecDeque<Action>,
    retired: Retired,
    account: Account,
    chance: fastrand::Rng,
    #[cfg(feature = "sabotage")]
    sabotage: Option<Sabotage>,
}

/// What was handed out and not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// Attempts that are with a worker, those of deliveries that no longer count among them.
    pub attempts: usize,
    /// Publications that are with a sink.
    pub publications: usize,
}

impl Machine {
    /// A machine for `route`. `seed` decides over the jitter, and signs the commits of transactions: no other machine of the
    /// group may have the same.
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

    /// Takes in what happened at `now`, which must not be before the last one.
    pub fn handle(&mut self, event: Event, now: Time) {
        self.now = now;
        if self.retired.is_enough() || !matches!(event, Event::Ended(..) | Event::Durable { .. }) {
            self.sweep();
        }
        // A host that stood still learns first what it has lost by that, unless it is just being told: or it would have
        // two receipts of a message, and think both its own.
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
            Event::NotRecorded(deliveries) => self.not_recorded(&deliveries, now),
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

    /// The next thing to do, if there is one.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When an [`Event::Due`] is wanted, if ever. One that comes early or late does no harm.
    pub fn next_wake(&self) -> Option<Time> {
        self.timers.next()
    }

    /// A delivery that an action names.
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(id)
    }

    /// Whether a publication of this delivery that no sink has yet is still to be sent. It is not where the delivery has
    /// ended meanwhile (its partition or its lease is gone, a drain was cut short): then it comes again, here or elsewhere,
    /// and all that it leads to with it. [`Event::NotDurable`] is the answer then. What is handled at most once does not come
    /// again, so what it leads to is sent whatever happens.
    ///
    /// Nor is it where the sink has refused a publication that comes before it in its lane: a reader would see the two in the
    /// wrong order. It is handed out again behind that one.
    pub fn is_to_be_sent(&self, id: DeliveryId) -> bool {
        let Some(delivery) = self.deliveries.get(id) else { return false };
        (delivery.is_live() || self.route.is_at_most_once()) && !self.is_overtaking(id, delivery)
    }

    /// Whether a publication of this delivery must not be sent again where it may have arrived: an output of a route that
    /// delivers at most once. Dead letters and error events are sent until they are durable, or the only copy might be lost.
    pub fn is_to_be_sent_once(&self, id: DeliveryId) -> bool {
        self.route.is_at_most_once() && self.deliveries.get(id).is_some_and(|delivery| !delivery.storing)
    }

    /// All deliveries of which something is still here or out, also those that no longer count.
    pub fn deliveries(&self) -> impl Iterator<Item = (DeliveryId, &Delivery)> {
        self.deliveries.iter().filter(|(_, delivery)| delivery.state != State::Retired)
    }

    /// What counts against the route's bounds: messages received and not covered by a commit or gone from the queue,
    /// and the bytes of the records in memory.
    pub fn in_use(&self) -> Bounds {
        self.intake.in_use()
    }

    /// Deliveries of the transaction that was asked for and not answered, in its order.
    pub fn in_transaction(&self) -> impl Iterator<Item = DeliveryId> {
        self.transaction.iter().copied()
    }

    /// What was handed out and not answered.
    pub fn out(&self) -> Out {
        let pending = self.deliveries.values().map(|delivery| delivery.pending as usize).sum();
        Out { attempts: self.running as usize, publications: pending }
    }

    /// What has come and gone so far.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Deliveries that are neither settled nor handed back.
    pub fn in_flight(&self) -> usize {
        self.live
    }

    /// True while a destination or plugin that cannot be reached, or too many failures, keep intake shut.
    pub fn is_holding(&self) -> bool {
        self.held > 0 || !self.watch.is_closed()
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

    /// Hands out attempts while there is room for them.
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

    /// Tells the source how much more it may hand over.
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

    /// The delivery's own end, whatever became of it. What is still out (an attempt, publications) is waited for and
    /// then forgotten.
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

    /// Leaves the lane, so that whoever waits behind it may run.
    fn step_aside(&mut self, id: DeliveryId) {
        let Some(lane) = self.deliveries[id].lane.take() else { return };
        if let Some(next) = self.lanes.leave(lane, id) {
            self.enqueue(next);
        }
    }

    /// Lets whoever waits behind it run, and stays in the lane until all that it leads to is durable.
    fn hand_on(&mut self, id: DeliveryId) {
        if let Some(next) = self.deliveries[id].lane.and_then(|lane| self.lanes.hand_on(lane, id)) {
            self.ready.push_first(next);
        }
    }

    /// Takes a delivery out of its lane together with all that wait behind it, in order; none of them will run.
    /// One that is with a worker keeps its key until the attempt has ended: who gets the record next waits for that.
    /// At most once, those behind have nowhere to go back to, and take their turn.
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
