//! Two ways to acknowledge: everything up to an offset, or each message for itself.

use std::time::Duration;

use super::Machine;
use super::delivery::{State, Tenure};
use super::drain::Draining;
use super::timers::Timer;
use crate::action::{Action, Ask, Fate, Position};
use crate::event::DeliveryId;
use crate::time::Time;

/// A message that could not be deleted is tried again after this, while its lease lasts.
const DELETE_AGAIN: Duration = Duration::from_secs(1);

impl Machine {
    /// All that the delivery leads to is durable: it may be acknowledged.
    pub(super) fn settle(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        self.step_aside(id);
        match self.deliveries[id].tenure {
            Tenure::Offset { partition, place } => {
                self.partitions.settle(partition, place);
                self.commit_in_time(now);
                self.finish(id, fate);
            }
            Tenure::Lease { .. } => {
                self.let_go(id);
                self.deliveries[id].state = State::Deleting(fate);
                self.delete(id);
            }
        }
    }

    fn delete(&mut self, id: DeliveryId) {
        if let Some(receipt) = self.deliveries[id].receipt() {
            let delete = Ask::Delete { delivery: id, receipt: receipt.clone() };
            self.actions.push_back(Action::Ask(delete));
        }
    }

    pub(super) fn deleted(&mut self, deliveries: &[DeliveryId]) {
        for id in deliveries {
            if let Some(State::Deleting(fate)) = self.deliveries.get(*id).map(|delivery| delivery.state) {
                self.finish(*id, fate);
            }
        }
    }

    pub(super) fn delete_failed(&mut self, deliveries: &[DeliveryId], now: Time) {
        for id in deliveries {
            self.timers.set(now.after(DELETE_AGAIN), Timer::Delete(*id));
        }
    }

    pub(super) fn delete_again(&mut self, id: DeliveryId) {
        if self.deliveries.get(id).is_some_and(|delivery| matches!(delivery.state, State::Deleting(_))) {
            self.delete(id);
        }
    }

    /// Commits when the interval is over, or as soon as much has been settled since the last time.
    fn commit_in_time(&mut self, now: Time) {
        if self.partitions.committing > 0 || self.partitions.passed == 0 {
            return;
        }
        if !self.partitions.refused && self.intake.is_much(self.partitions.passed) {
            self.commit();
        } else if !self.partitions.timer {
            self.partitions.timer = true;
            self.timers.set(now.after(self.route.commit_interval), Timer::Commit);
        }
    }

    /// Commits what the broker does not have, one commit at a time.
    pub(super) fn commit(&mut self) {
        self.partitions.timer = false;
        if self.partitions.committing > 0 || self.draining == Draining::Over {
            return;
        }
        self.partitions.refused = false;
        let positions = self.partitions.positions();
        if !positions.is_empty() {
            self.partitions.committing = positions.len();
            self.actions.push_back(Action::Ask(Ask::Commit(positions)));
        }
    }

    pub(super) fn committed(&mut self, positions: &[Position], now: Time) {
        self.answered_commits(positions.len());
        for position in positions {
            self.note_committed(position);
        }
        self.commit_in_time(now);
    }

    /// A broker answers for each partition; that of a partition given up is no answer to what was asked here, and comes
    /// when nothing more is awaited or merely ends the waiting early.
    fn answered_commits(&mut self, positions: usize) {
        self.partitions.committing = self.partitions.committing.saturating_sub(positions);
    }

    /// The positions are due again: until the broker has confirmed them they count as news.
    pub(super) fn commit_failed(&mut self, positions: &[Position], now: Time) {
        self.answered_commits(positions.len());
        self.partitions.refused = true;
        self.commit_in_time(now);
    }
}
