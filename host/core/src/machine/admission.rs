//! Decides which attempt may start now. No other module decides this.
//!
//! It asks three questions, in this order:
//!
//! 1. May the route start anything? [`Machine::turn`] asks the rules of the whole route: a pause, a limit on attempts, room
//!    for outputs, the circuit, a hold. A rule that says no is a [`HeldBack`].
//! 2. Which delivery has its turn? [`Ready`] has the heads of all lanes, and answers.
//! 3. May this one start? Its lease may be over, and [`Machine::may_start`] knows what a single delivery waits for.
//!
//! A new rule about the route is a variant of [`HeldBack`] and a line in [`Machine::turn`]. Another order among deliveries,
//! for instance a share for each tenant, changes [`Ready`] only.

use std::collections::VecDeque;

use super::Machine;
use super::delivery::State;
use crate::ids::DeliveryId;
use crate::time::Time;

/// The rule that prevents a route from starting attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldBack {
    /// A command has paused the route ([`Command::Pause`](crate::command::Command::Pause)).
    Paused,
    /// The number of running attempts has reached `concurrency`.
    Concurrency,
    /// Outputs that are not durable yet fill the bound on bytes in flight.
    Outputs,
    /// The circuit is open, or its probe is running.
    Circuit,
    /// The circuit has closed recently, and the reduced number of attempts is running.
    Recovery,
    /// A destination or the host does not work; only held deliveries are retried.
    Hold,
}

impl HeldBack {
    /// The name of the rule in logs and metrics.
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

/// The ready deliveries that may start next. Held deliveries whose wait is over always come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Only held deliveries.
    Held,
    /// First attempts and retries alternate.
    Either,
    /// Only first attempts.
    First,
    /// First attempts; a retry if there is no first attempt.
    FirstOrRetry,
}

/// Deliveries at the heads of their lanes, in the order in which they may start. A delivery that has ended stays in the
/// queue until its turn.
#[derive(Debug, Default)]
pub(super) struct Ready {
    first: VecDeque<DeliveryId>,
    /// Deliveries with a later attempt.
    retries: VecDeque<DeliveryId>,
    /// Held deliveries whose wait is over. They are retried even while all others are held back.
    held: VecDeque<DeliveryId>,
    /// Whether a retry is next, if there are both first attempts and retries.
    retry_next: bool,
}

impl Ready {
    /// Removes and returns the next delivery.
    pub(super) fn next(&mut self, turn: Turn) -> Option<DeliveryId> {
        if let Some(held) = self.held.pop_front() {
            return Some(held);
        }
        match turn {
            Turn::Held => None,
            Turn::First => self.first.pop_front(),
            Turn::FirstOrRetry => self.first.pop_front().or_else(|| self.retries.pop_front()),
            Turn::Either => {
                // Alternation prevents either kind from blocking the other, also if there are many of one.
                self.retry_next = !self.retry_next;
                if self.retry_next {
                    self.retries.pop_front().or_else(|| self.first.pop_front())
                } else {
                    self.first.pop_front().or_else(|| self.retries.pop_front())
                }
            }
        }
    }

    /// Adds a delivery that waits for its first attempt.
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

    /// Whether no delivery waits for its first attempt.
    pub(super) fn has_no_first(&self) -> bool {
        self.first.is_empty()
    }

    /// The deliveries that may start at this turn, in order, including those that have ended.
    pub(super) fn iter_in_turn(&self, turn: Turn) -> impl Iterator<Item = &DeliveryId> {
        let (then, last) = match turn {
            Turn::Held => (None, None),
            Turn::First => (Some(&self.first), None),
            Turn::Either if !self.retry_next => (Some(&self.retries), Some(&self.first)),
            Turn::Either | Turn::FirstOrRetry => (Some(&self.first), Some(&self.retries)),
        };
        self.held.iter().chain(then.into_iter().flatten()).chain(last.into_iter().flatten())
    }

    /// All deliveries, including those that have ended.
    pub(super) fn iter(&self) -> impl Iterator<Item = &DeliveryId> {
        self.first.iter().chain(&self.retries).chain(&self.held)
    }

    #[cfg(feature = "sabotage")]
    fn next_retry(&mut self) -> Option<DeliveryId> {
        self.held.pop_front().or_else(|| self.retries.pop_front())
    }
}

impl Machine {
    /// The rule that now prevents the route from starting more attempts, even if nothing waits; `None` if it may start them.
    pub fn held_back(&self) -> Option<HeldBack> {
        match self.turn() {
            Err(rule) => Some(rule),
            Ok(Turn::Held) => Some(HeldBack::Hold),
            Ok(_) => None,
        }
    }

    /// Removes and returns the next delivery whose attempt may start at `now`. The caller must start it, because it is in no
    /// queue any more.
    pub(super) fn next_to_start(&mut self, now: Time) -> Option<DeliveryId> {
        loop {
            let turn = self.turn().ok()?;
            let id = self.take_ready(turn)?;
            let waiting = self.deliveries.get(id).filter(|delivery| delivery.state == State::Waiting);
            let Some(delivery) = waiting else { continue };
            // After a standstill of the process, the lease may be over although no event has reported it.
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

    /// Whether the delivery has not ended and no attempt of it is running.
    pub(super) fn is_waiting(&self, id: DeliveryId) -> bool {
        self.deliveries.get(id).is_some_and(|delivery| delivery.state == State::Waiting)
    }

    /// The kind of ready delivery that is next, or the rule that prevents a start.
    fn turn(&self) -> Result<Turn, HeldBack> {
        let is_paused = !self.pause.lets_start();
        #[cfg(feature = "sabotage")]
        let is_paused = is_paused && !self.is_sabotaged(super::Sabotage::PauseForgotten);
        if is_paused { Err(HeldBack::Paused) } else { self.turn_beside_a_pause() }
    }

    /// As `turn`, but without the rule of a pause.
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

    /// Whether attempts may add outputs that are not durable. With transactions, the first record of a partition may have to
    /// be handled before a transaction can take the others, so attempts wait for room only while a transaction is under way.
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

    /// Queues a delivery at the head of its lane, so that it starts in its turn; does nothing if the delivery is gone.
    pub(super) fn enqueue(&mut self, id: DeliveryId) {
        if let Some(delivery) = self.deliveries.get(id) {
            self.ready.push(id, delivery.held, delivery.attempt);
        }
    }
}
