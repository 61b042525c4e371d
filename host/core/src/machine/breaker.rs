//! The breaker: a route stops during an outage instead of burning its topic through to the dead letters, and does not
//! stop because of bad messages.
//!
//! Two counts open the circuit: messages whose *first* attempts failed with a fault that speaks of a dependency or of the
//! sandbox, and messages that became dead letters at their first attempt. Each counts a message once; retries count in
//! neither, so a few messages that always fail never add up. A message that ends well takes [`WORTH`] away from both. So the circuit opens
//! when many different messages fail while fewer than one in [`WORTH`] ends well, and on nothing else: a run of
//! `failures` in a row has a probability of 10^-6 where half of the messages are bad.
//!
//! Where the share of bad messages is higher, a run comes by chance. Whenever the circuit closes again the next run has to
//! be twice as long (up to [`MOST_DOUBT`] times), until messages have ended well for a while: a route that lives with
//! many bad messages stops once or twice and no more.
//!
//! Open, nothing starts. Rounds of probes follow, the first after a second, each after twice the wait, up to
//! `probe_after`. A round takes messages at their first attempt, one after the other, up to `probes` of them; only where
//! there are none it takes one retry. A probe that fails says nothing: a bad message fails in good times too. The
//! first attempt that ends well closes the circuit, and then concurrency grows from one attempt on: what waited does not
//! come down all at once on what has just recovered.

use std::collections::VecDeque;
use std::time::Duration;

use super::Machine;
use super::admission::{HeldBack, Turn};
use super::timers::Timer;
use crate::action::{Action, Circuit, Trip};
use crate::ids::DeliveryId;
use crate::outcome::{Class, Failure};
use crate::time::Time;
use crate::verdict::Moved;

/// So many failures are taken back by a message that ends well: fewer than one in so many is few.
const WORTH: usize = 20;

/// Most that the limits are multiplied by.
const MOST_DOUBT: usize = 16;

/// So many more messages have to end well than fail until the limits are as configured again.
const TRUST: u32 = 100;

/// Before the first round of probes, and in a round before a retry is taken: time for messages to arrive.
const SOON: Duration = Duration::from_secs(1);

/// What is known of the last messages.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    failures: Recent,
    dead_letters: Recent,
    /// The limits are multiplied by this.
    doubt: usize,
    /// By how many more messages have ended well than failed since the circuit closed; never below zero.
    trust: u32,
    /// Before the next round of probes.
    wait: Duration,
    /// When the next timer for probes is due; others are of an earlier opening.
    due: Time,
    /// Attempts at once while the circuit has closed not long ago.
    most: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            state: State::Closed,
            failures: Recent::default(),
            dead_letters: Recent::default(),
            doubt: 1,
            trust: 0,
            wait: SOON,
            due: Time::default(),
            most: u32::MAX,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    Probing {
        /// So many more may be tried in this round.
        left: u32,
        /// The one that is being tried.
        probe: Option<DeliveryId>,
        /// There was time enough for messages at their first attempt to arrive.
        retries: bool,
    },
}

/// When something happened that still counts.
#[derive(Debug, Default)]
struct Recent(VecDeque<Time>);

impl Recent {
    fn add(&mut self, now: Time, window: Duration) -> usize {
        let since = now.before(window);
        while self.0.front().is_some_and(|at| *at < since) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len()
    }

    fn take_back(&mut self) {
        self.0.drain(..WORTH.min(self.0.len()));
    }
}

impl Watch {
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Nothing may be taken in.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whose turn it is to start an attempt beside those that run.
    ///
    /// # Errors
    /// The rule by which none may start.
    pub(super) fn lets_start(&self, running: u32) -> Result<Turn, HeldBack> {
        match self.state {
            State::Closed if running < self.most => Ok(Turn::Either),
            State::Closed => Err(HeldBack::Recovery),
            State::Probing { left: 1.., probe: None, retries: true } => Ok(Turn::FirstOrRetry),
            State::Probing { left: 1.., probe: None, retries: false } => Ok(Turn::First),
            State::Probing { .. } | State::Open => Err(HeldBack::Circuit),
        }
    }

    /// An attempt starts; as a probe, a retry is the last of its round.
    pub(super) fn started(&mut self, id: DeliveryId, is_retry: bool) {
        if let State::Probing { left, probe, .. } = &mut self.state {
            *left = if is_retry { 0 } else { left.saturating_sub(1) };
            *probe = Some(id);
        }
    }

    /// An attempt has said nothing about the handler: another may be let through in its place.
    pub(super) fn undecided(&mut self, id: DeliveryId) {
        if let State::Probing { left, probe, .. } = &mut self.state
            && *probe == Some(id)
        {
            (*left, *probe) = (left.saturating_add(1), None);
        }
    }

    /// The attempt was a probe, and the round ends with it.
    fn ends_round(&mut self, id: DeliveryId) -> bool {
        match &mut self.state {
            State::Probing { left, probe, .. } if *probe == Some(id) => {
                *probe = None;
                *left == 0
            }
            _ => false,
        }
    }

    fn limit(&self, configured: u32) -> Option<usize> {
        (configured > 0).then(|| configured as usize * self.doubt)
    }
}

impl Machine {
    /// An attempt ended well: whatever it needs is there.
    pub(super) fn attempt_succeeded(&mut self) {
        let watch = &mut self.watch;
        #[cfg(feature = "sabotage")]
        let is_noted = self.sabotage != Some(super::Sabotage::SuccessDoesNotCount);
        #[cfg(not(feature = "sabotage"))]
        let is_noted = true;
        if is_noted {
            watch.failures.take_back();
            watch.dead_letters.take_back();
        }
        watch.trust += 1;
        if watch.trust >= TRUST {
            (watch.trust, watch.doubt) = (0, 1);
        }
        watch.most = watch.most.saturating_mul(2);
        if watch.state != State::Closed {
            watch.state = State::Closed;
            watch.failures = Recent::default();
            watch.dead_letters = Recent::default();
            (watch.wait, watch.most, watch.trust) = (SOON, 1, 0);
            watch.doubt = (watch.doubt * 2).min(MOST_DOUBT);
            self.actions.push_back(Action::Circuit(Circuit::Closed));
        }
    }

    /// An attempt failed.
    pub(super) fn attempt_failed(&mut self, id: DeliveryId, failure: &Failure, now: Time) {
        // What has just recovered is tried a little harder with each attempt.
        self.watch.most = self.watch.most.saturating_add(1);
        if self.watch.ends_round(id) {
            self.watch.wait = self.watch.wait.saturating_mul(2);
            self.open_circuit(Trip::Probe, now);
        }
        let is_first = self.deliveries[id].attempt == 1;
        #[cfg(feature = "sabotage")]
        let is_first = is_first || self.is_sabotaged(super::Sabotage::RetriesTrip);
        if !is_first || !self.watch.is_closed() || !self.speaks_of_outage(failure) {
            return;
        }
        self.watch.trust = self.watch.trust.saturating_sub(1);
        let Some(limit) = self.watch.limit(self.route.breaker.failures) else { return };
        let count = self.watch.failures.add(now, self.route.breaker.window);
        if count >= limit {
            self.open_circuit(Trip::Failures(count), now);
        }
    }

    /// Whether a failure may come of what the handler needs, and not of the message. What the route calls permanent does
    /// not.
    fn speaks_of_outage(&self, failure: &Failure) -> bool {
        let moved = self.route.policy.codes.get(&failure.code);
        match failure.class {
            Class::Retryable | Class::TimedOut | Class::Trapped | Class::OutOfMemory | Class::ContractBroken => {
                moved != Some(&Moved::Permanent)
            }
            Class::Permanent => moved == Some(&Moved::Retryable),
            _ => false,
        }
    }

    /// A message becomes a dead letter. One that was tried before has counted as a failure then.
    pub(super) fn becomes_dead_letter(&mut self, id: DeliveryId, now: Time) {
        let counts = self.watch.is_closed() && self.deliveries[id].attempt == 1;
        let Some(limit) = self.watch.limit(self.route.breaker.dead_letters).filter(|_| counts) else { return };
        let count = self.watch.dead_letters.add(now, self.route.breaker.window);
        if count >= limit {
            self.open_circuit(Trip::DeadLetters(count), now);
        }
    }

    fn open_circuit(&mut self, trip: Trip, now: Time) {
        self.watch.state = State::Open;
        let longest = self.route.breaker.probe_after;
        #[cfg(feature = "sabotage")]
        let longest = if self.is_sabotaged(super::Sabotage::ProbesWaitForEver) { Duration::MAX } else { longest };
        self.watch.wait = self.watch.wait.min(longest);
        self.look_again(self.watch.wait, now);
        self.actions.push_back(Action::Circuit(Circuit::Open(trip)));
    }

    fn look_again(&mut self, wait: Duration, now: Time) {
        self.watch.due = now.after(wait);
        self.timers.set(self.watch.due, Timer::Probe);
    }

    /// A round of probes begins, or has waited long enough for messages at their first attempt.
    pub(super) fn probe(&mut self, now: Time) {
        if now < self.watch.due {
            return;
        }
        match &mut self.watch.state {
            State::Closed => {}
            State::Open => {
                let left = self.route.breaker.probes.max(1);
                self.watch.state = State::Probing { left, probe: None, retries: false };
                self.look_again(SOON.min(self.route.breaker.probe_after), now);
                self.actions.push_back(Action::Circuit(Circuit::Probing));
            }
            State::Probing { retries, .. } => *retries = true,
        }
        #[cfg(feature = "sabotage")]
        if let (State::Probing { retries, .. }, Some(super::Sabotage::RetriesNeverProbe)) =
            (&mut self.watch.state, self.sabotage)
        {
            *retries = false;
        }
    }
}
