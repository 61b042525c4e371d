//! Exactly one effect of each record: outputs, dead letters and offsets in one transaction.
//!
//! What a record leads to is prepared and kept in memory until every earlier record of its partition is prepared too.
//! Then a transaction takes all of them, in the order of their offsets, with the offset behind the last. So outputs are
//! durable if and only if their offsets are; one that is aborted is made again from what is in memory; and a host
//! that dies leaves nothing that a `read_committed` reader would see.

use super::Machine;
use super::delivery::{State, Tenure};
use super::partition::{PartitionKey, Slot};
use crate::action::{Action, Ask, Fate};
use crate::event::Aborted;
use crate::ids::CommitPosition;
use crate::ids::DeliveryId;
use crate::time::Time;

impl Machine {
    /// Keeps what a delivery leads to for the next transaction.
    pub(super) fn prepare(&mut self, id: DeliveryId, fate: Fate, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Prepared(fate);
        if let Some((key, offset)) = delivery.offset() {
            self.partitions.prepare(key, offset, id);
            self.start_stalled(key);
        }
        // Outputs leave in the order of offsets: the next of the key may run.
        self.step_aside(id);
        self.commit_in_time(now);
    }

    /// Records that are prepared and in no transaction.
    pub(super) fn prepared(&self) -> usize {
        self.partitions.prepared
    }

    /// Asks for a transaction over all that can be in one.
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
        self.commits.ask(1);
        #[cfg(feature = "sabotage")]
        let positions =
            if self.is_sabotaged(super::Sabotage::TransactionWithoutOffsets) { Vec::new() } else { positions };
        self.transaction.clone_from(&deliveries);
        if let Some(first) = deliveries.first() {
            self.watch_publication(*first, self.now);
        }
        self.actions.push_back(Action::Transact { deliveries, positions });
    }

    /// The transaction is committed.
    pub(super) fn transacted(&mut self, positions: &[CommitPosition], now: Time) {
        for id in std::mem::take(&mut self.transaction) {
            let delivery = &mut self.deliveries[id];
            delivery.pending = 0;
            let State::Transacting(fate) = delivery.state else {
                // It was abandoned meanwhile, and its effects and its offset are there all the same.
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
        // Not before: another one would begin with the first that is not settled yet, and take the offsets back.
        self.commits.answered(1);
        let ours = positions.iter().filter(|position| self.partitions.is_asked(position)).cloned().collect();
        self.actions.push_back(Action::Ask(Ask::Transacted(ours)));
        for position in positions {
            self.note_committed(position);
        }
        self.commit_in_time(now);
    }

    /// The transaction has left nothing: all that was in it is prepared again.
    pub(super) fn not_transacted(&mut self, positions: &[CommitPosition], aborted: Aborted, now: Time) {
        self.commits.answered(1);
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

    /// Where partitions are to be given up, or everything: a last transaction over what is prepared, and then the end of
    /// what can be in none because something before it was handed back.
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
