//! Exactly-once delivery: outputs, dead letters and offsets in one transaction.
//!
//! The publications of a record are prepared and kept in memory until every earlier record of its partition is prepared,
//! too. Then a transaction contains all of them, in the order of their offsets, with the offset after the last. So outputs
//! are durable if and only if their offsets are. An aborted transaction is repeated from memory, and a host that dies leaves
//! nothing that a `read_committed` reader would see.

use super::Machine;
use super::delivery::{State, Tenure};
use super::key::PartitionKey;
use super::partition::Slot;
use crate::action::{Action, Ask, Fate};
use crate::event::Aborted;
use crate::ids::CommitPosition;
use crate::ids::DeliveryId;
use crate::time::Time;

impl Machine {
    /// Keeps the publications of a delivery for the next transaction.
    pub(super) fn prepare(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Prepared(fate);
        if let Some((key, offset)) = delivery.offset() {
            self.partitions.prepare(key, offset, id);
            self.start_stalled(key);
        }
        // Transactions write outputs in the order of offsets, so the next delivery of the key may run.
        self.step_aside(id);
        self.commit_in_time(now);
    }

    /// Number of prepared records that are in no transaction.
    pub(super) fn prepared(&self) -> usize {
        self.partitions.prepared
    }

    /// Requests a transaction with everything that can be in one.
    pub(super) fn transact(&mut self) {
        let (deliveries, positions) = self.partitions.transaction();
        if positions.is_empty() {
            return;
        }
        for id in &deliveries {
            let delivery = &mut self.deliveries[*id];
            let State::Prepared(fate) = delivery.state else {
                unreachable!("only what is prepared is in a transaction")
            };
            delivery.state = State::Transacting(fate);
            delivery.pending = 1;
        }
        self.commits.transacts(true);
        #[cfg(feature = "sabotage")]
        let positions =
            if self.is_sabotaged(super::Sabotage::TransactionWithoutOffsets) { Vec::new() } else { positions };
        self.transaction.clone_from(&deliveries);
        if let Some(first) = deliveries.first() {
            self.watch_publication(*first, self.now);
        }
        self.actions.push_back(Action::Transact { deliveries, positions });
    }

    /// Handles a committed transaction.
    pub(super) fn transacted(&mut self, positions: &[CommitPosition], now: Time) {
        for id in std::mem::take(&mut self.transaction) {
            let delivery = &mut self.deliveries[id];
            delivery.pending = 0;
            let State::Transacting(fate) = delivery.state else {
                // The delivery was abandoned meanwhile, but its outputs and its offset were committed.
                if let Tenure::Offset { partition, offset, place } = delivery.tenure {
                    self.partitions.settle(partition, offset, place);
                }
                self.retire(id);
                continue;
            };
            if fate == Fate::Done {
                self.account.outputs += delivery.publications.len() as u64;
            }
            self.let_go(id);
            self.acknowledge(id, fate, now);
        }
        // Not earlier: another transaction would begin with the first record that is not settled yet, and move the offsets
        // back.
        self.commits.transacts(false);
        let ours = positions.iter().filter(|position| self.partitions.is_asked(position)).cloned().collect();
        self.actions.push_back(Action::Ask(Ask::Transacted(ours)));
        for position in positions {
            self.note_committed(position);
        }
        self.give_up_idle();
        self.commit_in_time(now);
    }

    /// Handles an aborted transaction: all of its deliveries are prepared again.
    pub(super) fn not_transacted(&mut self, positions: &[CommitPosition], aborted: Aborted, now: Time) {
        self.commits.transacts(false);
        for position in positions {
            self.partitions.refuse(position);
        }
        let mut first = None;
        for id in std::mem::take(&mut self.transaction) {
            let delivery = &mut self.deliveries[id];
            delivery.pending = 0;
            let State::Transacting(fate) = delivery.state else {
                self.retire(id);
                continue;
            };
            delivery.state = State::Prepared(fate);
            first = first.or(Some(id));
            if let Some((key, offset)) = delivery.offset() {
                self.partitions.prepare(key, offset, id);
            }
        }
        self.give_up_idle();
        match aborted {
            Aborted::Rejected { delivery, index, code, text } => {
                self.reject_prepared(delivery, index, code, text, now);
                self.commit_soon(now);
            }
            Aborted::Unavailable(_) => self.transact_later(first, now),
            Aborted::Fenced(reason) => {
                self.actions.push_back(Action::Stop(reason));
                self.transact_later(first, now);
            }
        }
    }

    fn transact_later(&mut self, first: Option<DeliveryId>, now: Time) {
        if let Some(id) = first {
            let wait = self.hold(id);
            self.actions.push_back(Action::Troubled { delivery: id, next: crate::action::Next::Hold(wait) });
            self.commits.refuse();
            self.commit_at(now.after(wait));
        } else {
            self.commits.refuse();
            self.commit_in_time(now);
        }
    }

    /// Before partitions are given up, or in a drain: requests a last transaction for the prepared deliveries, then ends
    /// those that can be in none because an earlier record was handed back.
    pub(super) fn wind_up(&mut self) {
        if !self.route.is_exactly_once() || self.commits.are_unanswered() {
            return;
        }
        let everything = self.draining.is_draining();
        let waits =
            |slot: &Slot| (everything || slot.leaving) && slot.live > 0 && slot.live as usize == slot.prepared.len();
        let keys: Vec<PartitionKey> =
            self.partitions.slots.iter().filter(|(_, slot)| waits(slot)).map(|(key, _)| key).collect();
        if keys.is_empty() {
            return;
        }
        if !self.commits.were_refused() {
            self.commit();
        }
        if self.commits.are_unanswered() || self.commits.were_refused() {
            return;
        }
        for key in keys {
            let left: Vec<DeliveryId> = self.partitions.slots[key].prepared.values().copied().collect();
            let fate = if everything { Fate::Released } else { Fate::Revoked };
            for id in left {
                self.finish(id, fate);
            }
        }
    }
}
