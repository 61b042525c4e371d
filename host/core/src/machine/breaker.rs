//! When everything fails it is not the messages: the breaker and the outage guard stop a route before it burns its
//! topic through to the dead letters.
//!
//! Both open the same circuit. Open, nothing starts and intake is shut; after a while a few attempts are let through, and
//! the first that ends well closes it again. An attempt that is let through counts like any other, so a message that
//! always fails still ends: slowly, one attempt for each probe.

use std::collections::VecDeque;
use std::time::Duration;

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Circuit, Trip};
use crate::outcome::Class;
use crate::time::Time;

/// When a route stops by itself, and when it tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// So many failed attempts in a row, none between them that ended well, open the circuit; 0: never. Failures that the
    /// handler calls permanent, and messages that it never saw, say nothing about its dependencies and do not count.
    pub failures: u32,
    /// Of the last [`Breaker::window`] messages so many dead letters open it too; 0: never.
    pub dead_letters: u32,
    /// How many messages are looked back on.
    pub window: u32,
    /// How long it stays open before a probe.
    pub probe_after: Duration,
    /// Attempts that are let through then; at least 1.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 10, dead_letters: 50, window: 100, probe_after: Duration::from_secs(60), probes: 1 }
    }
}

/// What is known of the last attempts.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: State,
    /// Attempts that failed since the last that ended well.
    failures: u32,
    /// The last messages that came to an end: whether as dead letters.
    ends: VecDeque<bool>,
    dead_letters: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open,
    /// So many attempts may still be let through.
    Probing(u32),
}

impl Watch {
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Nothing may be taken in.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether an attempt may start.
    pub(super) fn lets_start(&self) -> bool {
        matches!(self.state, State::Closed | State::Probing(1..))
    }

    /// An attempt starts.
    pub(super) fn started(&mut self) {
        if let State::Probing(left) = &mut self.state {
            *left = left.saturating_sub(1);
        }
    }

    /// An attempt has said nothing about what it needs: another may be let through in its place.
    pub(super) fn undecided(&mut self) {
        if let State::Probing(left) = &mut self.state {
            *left = left.saturating_add(1);
        }
    }

    fn ended(&mut self, dead_letter: bool, window: u32) {
        self.ends.push_back(dead_letter);
        self.dead_letters += u32::from(dead_letter);
        while self.ends.len() > window as usize {
            self.dead_letters -= u32::from(self.ends.pop_front() == Some(true));
        }
    }
}

impl Machine {
    /// An attempt ended well: whatever it needs is there.
    pub(super) fn attempt_succeeded(&mut self) {
        self.watch.failures = 0;
        self.watch.ended(false, self.route.breaker.window);
        if !self.watch.is_closed() {
            self.watch.state = State::Closed;
            self.watch.ends.clear();
            self.watch.dead_letters = 0;
            self.actions.push_back(Action::Circuit(Circuit::Closed));
        }
    }

    /// An attempt failed.
    pub(super) fn attempt_failed(&mut self, class: Class, now: Time) {
        let of_dependency = matches!(
            class,
            Class::Retryable | Class::TimedOut | Class::Trapped | Class::OutOfMemory | Class::ContractBroken
        );
        if of_dependency {
            self.watch.failures = self.watch.failures.saturating_add(1);
        }
        let limit = self.route.breaker.failures;
        match self.watch.state {
            State::Closed if limit > 0 && self.watch.failures >= limit => self.open_circuit(Trip::Failures, now),
            State::Probing(_) => self.open_circuit(Trip::Probe, now),
            _ => {}
        }
    }

    /// A message becomes a dead letter.
    pub(super) fn becomes_dead_letter(&mut self, now: Time) {
        self.watch.ended(true, self.route.breaker.window);
        let limit = self.route.breaker.dead_letters;
        if limit > 0 && self.watch.is_closed() && self.watch.dead_letters >= limit {
            self.open_circuit(Trip::DeadLetters, now);
        }
    }

    fn open_circuit(&mut self, trip: Trip, now: Time) {
        self.watch.state = State::Open;
        self.timers.set(now.after(self.route.breaker.probe_after), Timer::Probe);
        self.actions.push_back(Action::Circuit(Circuit::Open(trip)));
    }

    pub(super) fn probe(&mut self) {
        if self.watch.is_open() {
            self.watch.state = State::Probing(self.route.breaker.probes.max(1));
            self.actions.push_back(Action::Circuit(Circuit::Probing));
        }
    }
}
