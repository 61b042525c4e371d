//! The circuit breaker. It stops a route during an outage, so that the messages of a topic do not all become dead letters,
//! and does not stop it because of a few bad messages.
//!
//! Two counts open the circuit: messages whose *first* attempt failed with a fault that suggests an outage of a dependency
//! or of the sandbox, and messages that became dead letters at their first attempt. Until the first success of the process, its
//! first attempt of a message counts, too: after a restart in an outage there may be retries only. Each message counts once;
//! retries do not count, so a few messages that always fail never add up. A successful message subtracts [`WORTH`] from both counts. So the
//! circuit opens only if many different messages fail while fewer than one in [`WORTH`] succeeds. If half of the messages
//! are bad, a run of `failures` in a row has a probability of 10^-6.
//!
//! If the share of bad messages is higher, such a run occurs by chance. So each time the circuit closes, the next run must
//! be twice as long (up to [`MOST_DOUBT`] times), until messages have succeeded for a while: a route with many bad messages
//! stops once or twice and no more.
//!
//! While the circuit is open, no attempt starts. Rounds of probes follow: the first after one second, each further one after
//! twice the wait, up to `probe_after`. A round takes up to `probes` messages at their first attempt, one after the other;
//! it takes one retry only if there is no such message. A failed probe proves nothing, because a bad message always fails.
//! The first successful attempt closes the circuit. Then concurrency grows from one attempt, so that the waiting messages do
//! not overload a dependency that has just recovered.

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

/// Number of failures that one successful message subtracts.
const WORTH: usize = 20;

/// Maximum factor of the limits.
const MOST_DOUBT: usize = 16;

/// Surplus of successful over failed messages after which the configured limits apply again.
const TRUST: u32 = 100;

/// Time before the first round of probes, and in a round before a retry may be the probe, so that new messages can arrive.
const SOON: Duration = Duration::from_secs(1);

/// The state of the circuit breaker.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    failures: Recent,
    dead_letters: Recent,
    /// The factor of the limits.
    doubt: usize,
    /// Surplus of successful over failed messages since the circuit closed; never below zero.
    trust: u32,
    /// Wait before the next round of probes.
    wait: Duration,
    /// The time of the valid probe timer; other timers belong to an earlier opening.
    due: Time,
    /// Maximum number of running attempts shortly after the circuit has closed.
    most: u32,
    /// Whether a message has succeeded in this process.
    has_worked: bool,
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
            has_worked: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    Probing {
        /// Number of further probes in this round.
        left: u32,
        /// The delivery whose attempt is the running probe.
        probe: Option<DeliveryId>,
        /// Whether a retry may be the probe, because no message at its first attempt has arrived in time.
        retries: bool,
    },
}

/// The times of recent events that still count.
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

    /// Whether intake must stop.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The kind of delivery that may start an attempt in addition to the running ones.
    ///
    /// # Errors
    /// The rule that prevents a start.
    pub(super) fn lets_start(&self, running: u32) -> Result<Turn, HeldBack> {
        match self.state {
            State::Closed if running < self.most => Ok(Turn::Either),
            State::Closed => Err(HeldBack::Recovery),
            State::Probing { left: 1.., probe: None, retries: true } => Ok(Turn::FirstOrRetry),
            State::Probing { left: 1.., probe: None, retries: false } => Ok(Turn::First),
            State::Probing { .. } | State::Open => Err(HeldBack::Circuit),
        }
    }

    /// Records the start of an attempt. If it is a probe and a retry, it is the last of its round.
    pub(super) fn started(&mut self, id: DeliveryId, is_retry: bool) {
        if let State::Probing { left, probe, .. } = &mut self.state {
            *left = if is_retry { 0 } else { left.saturating_sub(1) };
            *probe = Some(id);
        }
    }

    /// Records an attempt that says nothing about the handler, so another probe may start instead.
    pub(super) fn undecided(&mut self, id: DeliveryId) {
        if let State::Probing { left, probe, .. } = &mut self.state
            && *probe == Some(id)
        {
            (*left, *probe) = (left.saturating_add(1), None);
        }
    }

    /// Ends the probe if the attempt was one. Returns whether the round ends with it.
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
    /// Records a successful attempt: all dependencies of the handler work.
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
        watch.has_worked = true;
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

    /// Records a failed attempt.
    pub(super) fn attempt_failed(&mut self, id: DeliveryId, failure: &Failure, now: Time) {
        // After a recovery, each attempt raises the allowed number of attempts by one.
        self.watch.most = self.watch.most.saturating_add(1);
        if self.watch.ends_round(id) {
            self.watch.wait = self.watch.wait.saturating_mul(2);
            self.open_circuit(Trip::Probe, now);
        }
        let is_first = self.is_first_here(id);
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

    /// Whether this is the first attempt of a message, or before the first success of this process its first one here.
    fn is_first_here(&self, id: DeliveryId) -> bool {
        let delivery = &self.deliveries[id];
        let is_new_here = delivery.trouble().is_some_and(|trouble| trouble.attempts.len() == 1);
        #[cfg(feature = "sabotage")]
        let is_new_here = is_new_here && !self.is_sabotaged(super::Sabotage::RestartForgotten);
        delivery.attempt == 1 || (is_new_here && !self.watch.has_worked)
    }

    /// Whether a failure may be caused by a dependency of the handler instead of the message. Failures that the route
    /// defines as permanent are not.
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

    /// Counts a dead letter. A message that was retried has already counted as a failure.
    pub(super) fn becomes_dead_letter(&mut self, id: DeliveryId, now: Time) {
        let counts = self.watch.is_closed() && self.is_first_here(id);
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

    /// Starts a round of probes, or allows a retry in it after the wait for messages at their first attempt.
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
