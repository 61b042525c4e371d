//! Assigned, revoked and lost partitions.

use super::Machine;
use super::delivery::State;
use super::key::PartitionKey;
use super::timers::Timer;
use crate::action::{Action, Ask, Fate};
use crate::event::Assignment;
use crate::ids::CommitPosition;
use crate::ids::Partition;
use crate::mark::Mark;
use crate::progress::{Resumption, resume};
use crate::time::Time;

impl Machine {
    pub(super) fn assigned(&mut self, assignments: Vec<Assignment>) {
        for Assignment { partition, identity, committed, metadata } in assignments {
            // The source may have stopped waiting for a revoked partition and have it assigned again.
            self.lose(&partition);
            let Resumption { from, progress, ignored, .. } = resume(committed, metadata.as_deref(), identity);
            if let Some(why) = ignored {
                self.actions.push_back(Action::MetadataIgnored(partition.clone(), why));
            }
            #[cfg(feature = "sabotage")]
            let progress = self.sabotaged_progress(progress, metadata.as_deref());
            let (_, mark) = Mark::split(metadata.as_deref().unwrap_or_default());
            self.partitions.add(partition, identity, (from, progress, mark));
        }
        self.share_anew();
    }

    pub(super) fn revoked(&mut self, partitions: &[Partition], now: Time) {
        for partition in partitions {
            let Some(key) = self.partitions.find(partition) else {
                let give_up = Ask::GiveUp { partition: partition.clone(), commit: None };
                self.actions.push_back(Action::Ask(give_up));
                continue;
            };
            self.partitions.slots[key].leaving = true;
            self.drop_standing(|delivery| delivery.partition() == Some(key), Fate::Revoked);
            self.drop_of(key, self.hands_back());
            self.timers.set(now.after(self.route.revoke_timeout), Timer::GiveUp(key));
            self.give_up_if_idle(key);
        }
        self.share_anew();
    }

    pub(super) fn lost(&mut self, partitions: &[Partition]) {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::LostPartitionKept) {
            return;
        }
        partitions.iter().for_each(|partition| self.lose(partition));
        self.share_anew();
    }

    pub(super) fn lose(&mut self, partition: &Partition) {
        let Some(key) = self.partitions.find(partition) else { return };
        // The partition is removed first, so that no delivery that ends now is committed.
        self.forget(key);
        self.drop_of(key, |_| true);
    }

    /// Gives up a revoked partition at the end of `revoke_timeout`.
    pub(super) fn give_up_now(&mut self, key: PartitionKey) {
        if self.partitions.slots.contains_key(key) {
            self.drop_of(key, |_| true);
            self.give_up(key);
        }
    }

    /// Gives up a revoked partition if none of its deliveries is in flight, and no unanswered transaction contains its
    /// offset: a new owner that reads offsets which are not stable would begin at an older one.
    pub(super) fn give_up_if_idle(&mut self, key: PartitionKey) {
        let is_idle = self.partitions.slots.get(key).is_some_and(|slot| slot.leaving && slot.live == 0);
        if is_idle && !self.is_in_transaction(key) {
            self.give_up(key);
        }
    }

    /// Gives up the revoked partitions that waited for the answer to a transaction.
    pub(super) fn give_up_idle(&mut self) {
        let leaving = self.partitions.slots.iter().filter(|(_, slot)| slot.leaving);
        let leaving: Vec<_> = leaving.map(|(key, _)| key).collect();
        leaving.into_iter().for_each(|key| self.give_up_if_idle(key));
    }

    /// Whether the unanswered transaction contains an offset of this partition.
    fn is_in_transaction(&self, key: PartitionKey) -> bool {
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::TransactionNotAwaited) {
            return false;
        }
        let transacts = self.route.is_exactly_once() && self.commits.are_unanswered();
        transacts && self.partitions.is_in_last_commit(key)
    }

    /// Gives up a partition, with its last commit.
    fn give_up(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        // With exactly one effect of each record, offsets go with the outputs: whatever is left to say is said to nobody.
        #[cfg(feature = "sabotage")]
        let is_left_out = self.sabotage == Some(super::Sabotage::UnansweredCommitForgotten) && !slot.is_changed();
        let commit = if self.route.is_exactly_once() { None } else { slot.last_position() };
        #[cfg(feature = "sabotage")]
        let commit = commit.filter(|_| !is_left_out);
        #[cfg(feature = "sabotage")]
        let commit = commit.filter(|_| self.sabotage != Some(super::Sabotage::LastCommitForgotten));
        let give_up = Ask::GiveUp { partition: slot.partition.clone(), commit };
        self.actions.push_back(Action::Ask(give_up));
        self.forget(key);
    }

    fn forget(&mut self, key: PartitionKey) {
        if let Some(slot) = self.partitions.slots.remove(key) {
            self.partitions.unknown -= slot.unknown;
            self.partitions.prepared -= slot.prepared.len();
            if !self.route.is_at_most_once() {
                self.intake.closed(slot.watermark.waiting() + slot.unknown);
            }
            self.partitions.index.remove(&slot.partition);
            if slot.stuck.is_some_and(|stuck| stuck.told) {
                self.actions.push_back(Action::Unblocked(slot.partition));
            }
        }
    }

    fn drop_of(&mut self, key: PartitionKey, which: impl Fn(State) -> bool) {
        let live = self.deliveries.iter().filter(|(_, delivery)| delivery.is_live() && which(delivery.state));
        let chosen: Vec<_> = live.filter(|(_, delivery)| delivery.partition() == Some(key)).map(|(id, _)| id).collect();
        // All leave their lanes before the first one ends, so that none of them moves up.
        for id in &chosen {
            self.withdraw(*id);
        }
        for id in chosen {
            self.finish(id, Fate::Revoked);
        }
    }

    pub(super) fn note_committed(&mut self, position: &CommitPosition) {
        let (covered, waited) = self.partitions.confirm(position);
        // With delivery at most once, a record counts until it is handled.
        if !self.route.is_at_most_once() {
            self.intake.closed(covered);
        }
        waited.into_iter().for_each(|id| self.enqueue(id));
        if let Some(key) = self.partitions.find(&position.partition) {
            self.start_stalled(key);
        }
    }
}
