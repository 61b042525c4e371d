//! What may start now: the one place that decides it.
//!
//! Three questions are asked, in this order:
//!
//! 1. May the route start anything? [`Machine::turn`] asks the rules of the whole route: a pause, a limit on attempts, room
//!    for outputs, the circuit, a hold. A rule that says no is a [`HeldBack`].
//! 2. Which delivery has its turn? [`Ready`] has the heads of all lanes, and answers.
//! 3. May this one start? Its lease may be over, and [`Machine::may_start`] knows what a single delivery waits for.
//!
//! A new rule about the route is a variant of [`HeldBack`] and a line in [`Machine::turn`]; another order among deliveries, for
//! instance a share for each tenant, is a matter of [`Ready`] alone.

use std::collections::VecDeque;

use super::Machine;
use super::delivery::State;
use crate::ids::DeliveryId;
use crate::time::Time;

/// The rule that keeps a route from starting attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldBack {
    /// A command has paused the route ([`Command::Pause`](crate::command::Command::Pause)).
    Paused,
    /// As many attempts run as the route allows (`concurrency`).
    Concurrency,
    /// Outputs that are not durable fill the bound on bytes in flight.
    Outputs,
    /// The circuit is open, or its probe runs.
    Circuit,
    /// The circuit has closed not long ago, and as many attempts run as are allowed so soon.
    Recovery,
    /// A destination or the host does not work; only what was held by that is tried again.
    Hold,
}

impl HeldBack {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Concurrency => "concurrency",
            Self::Outputs => "outputs",
            Self::Circuit => "circuit",
            Self::Recovery => "recovery",
            Self::Hold => "hold",
        }
    }
}

/// Which of the deliveries that are ready has its turn. Held ones whose wait is over come first, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Held ones only.
    Held,
    /// Those at their first attempt and retries alternate.
    Either,
    /// Those at their first attempt only.
    First,
    /// Those at their first attempt, and a retry where there are none.
    FirstOrRetry,
}

/// Deliveries at the heads of their lanes, in the order in which they may start. One that has ended meanwhile stays until
/// its turn comes.
#[derive(Debug, Default)]
pub(super) struct Ready {
    first: VecDeque<DeliveryId>,
    /// Those at a later attempt.
    retries: VecDeque<DeliveryId>,
    /// Held ones whose wait is over: they are tried even while everything else is held back.
    held: VecDeque<DeliveryId>,
    /// Retries have the next turn, where both have somebody.
    retry_next: bool,
}

impl Ready {
    /// Takes the one whose turn it is.
    pub(super) fn next(&mut self, turn: Turn) -> Option<DeliveryId> {
        if let Some(held) = self.held.pop_front() {
            return Some(held);
        }
        match turn {
            Turn::Held => None,
            Turn::First => self.first.pop_front(),
            Turn::FirstOrRetry => self.first.pop_front().or_else(|| self.retries.pop_front()),
            Turn::Either => {
                // Neither keeps the other waiting: bad messages may be many, and so may good ones.
                self.retry_next = !self.retry_next;
                if self.retry_next {
                    self.retries.pop_front().or_else(|| self.first.pop_front())
                } else {
                    self.first.pop_front().or_else(|| self.retries.pop_front())
                }
            }
        }
    }

    /// Adds one that waits for its first attempt.
    pub(super) fn push_first(&mut self, id: DeliveryId) {
        self.first.push_back(id);
    }

    fn push(&mut self, id: DeliveryId, held: bool, attempt: u32) {
        let queue = match (held, attempt) {
            (true, _) => &mut self.held,
            (false, 2..) => &mut self.retries,
            (false, _) => &mut self.first,
        };
        queue.push_back(id);
    }

    /// Whether none waits for its first attempt.
    pub(super) fn has_no_first(&self) -> bool {
        self.first.is_empty()
    }

    /// Those that may start at this turn, in their order, also those that have ended.
    pub(super) fn iter_in_turn(&self, turn: Turn) -> impl Iterator<Item = &DeliveryId> {
        let (then, last) = match turn {
            Turn::Held => (None, None),
            Turn::First => (Some(&self.first), None),
            Turn::Either if !self.retry_next => (Some(&self.retries), Some(&self.first)),
            Turn::Either | Turn::FirstOrRetry => (Some(&self.first), Some(&self.retries)),
        };
        self.held.iter().chain(then.into_iter().flatten()).chain(last.into_iter().flatten())
    }

    /// All, also those that have ended.
    pub(super) fn iter(&self) -> impl Iterator<Item = &DeliveryId> {
        self.first.iter().chain(&self.retries).chain(&self.held)
    }

    #[cfg(feature = "sabotage")]
    fn next_retry(&mut self) -> Option<DeliveryId> {
        self.held.pop_front().or_else(|| self.retries.pop_front())
    }
}

impl Machine {
    /// The rule that keeps the route from starting more attempts now, whether something waits or not; `None` where it may.
    pub fn held_back(&self) -> Option<HeldBack> {
        match self.turn() {
            Err(rule) => Some(rule),
            Ok(Turn::Held) => Some(HeldBack::Hold),
            Ok(_) => None,
        }
    }

    /// The next delivery whose attempt may start at `now`. It is to be started: it is in no queue any more.
    pub(super) fn next_to_start(&mut self, now: Time) -> Option<DeliveryId> {
        loop {
            let turn = self.turn().ok()?;
            let id = self.take_ready(turn)?;
            let waiting = self.deliveries.get(id).filter(|delivery| delivery.state == State::Waiting);
            let Some(delivery) = waiting else { continue };
            // A process that stood still has more to hear than that time has passed.
            let is_over = delivery.lease_is_over(now);
            #[cfg(feature = "sabotage")]
            let is_over = is_over && !self.is_sabotaged(super::Sabotage::LostLeaseKept);
            if is_over {
                self.lease_lost(id);
            } else if self.may_start(id) {
                return Some(id);
            }
        }
    }

    /// Whether the delivery has not ended, and no attempt on it runs.
    pub(super) fn is_waiting(&self, id: DeliveryId) -> bool {
        self.deliveries.get(id).is_some_and(|delivery| delivery.state == State::Waiting)
    }

    /// Which of the ready deliveries has its turn, or the rule by which none may start.
    fn turn(&self) -> Result<Turn, HeldBack> {
        let is_paused = !self.pause.lets_start();
        #[cfg(feature = "sabotage")]
        let is_paused = is_paused && !self.is_sabotaged(super::Sabotage::PauseForgotten);
        if is_paused { Err(HeldBack::Paused) } else { self.turn_beside_a_pause() }
    }

    /// The same by all rules but that of a pause.
    pub(super) fn turn_beside_a_pause(&self) -> Result<Turn, HeldBack> {
        if self.running >= self.route.concurrency {
            return Err(HeldBack::Concurrency);
        }
        if !self.has_room_for_outputs() {
            return Err(HeldBack::Outputs);
        }
        let turn = self.watch.lets_start(self.running)?;
        Ok(if self.held > 0 { Turn::Held } else { turn })
    }

    fn take_ready(&mut self, turn: Turn) -> Option<DeliveryId> {
        #[cfg(feature = "sabotage")]
        if matches!(turn, Turn::First | Turn::FirstOrRetry) && self.is_sabotaged(super::Sabotage::ProbesAreRetries) {
            return self.ready.next_retry();
        }
        self.ready.next(turn)
    }

    /// Whether attempts may add to the outputs that are not durable. Where they go in transactions, the first of a partition
    /// may have to be handled before one can take the others: they are waited for only while a transaction is under way.
    fn has_room_for_outputs(&self) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::OutputsHoldNothingBack) {
            return true;
        }
        if self.route.is_exactly_once() {
            !self.commits.are_unanswered() || !self.intake.is_full_of_outputs()
        } else {
            !self.intake.is_full_of_sent()
        }
    }

    /// A delivery at the head of its lane may start once it has its turn; one that has ended meanwhile may not.
    pub(super) fn enqueue(&mut self, id: DeliveryId) {
        if let Some(delivery) = self.deliveries.get(id) {
            self.ready.push(id, delivery.held, delivery.attempt);
        }
    }
}
