//! The partitions that are ours, and how they come and go.

use std::collections::HashMap;

use slotmap::SlotMap;

use super::Machine;
use super::delivery::State;
use super::timers::Timer;
use crate::action::{Action, Ask, Fate, Position};
use crate::event::{Assignment, Partition};
use crate::time::Time;
use crate::watermark::{Place, Watermark};

slotmap::new_key_type! {
    /// One assignment of one partition: when it comes back it is another.
    pub(super) struct PartitionKey;
}

#[derive(Debug, Default)]
pub(super) struct Partitions {
    slots: SlotMap<PartitionKey, Slot>,
    index: HashMap<Partition, PartitionKey>,
    /// Names for lanes, the same whenever a partition comes back: an attempt may outlive its assignment.
    numbers: HashMap<Partition, u64>,
    /// Positions of the last commit that the broker has not answered.
    pub(super) committing: usize,
    /// Records that the commit points have passed and no commit covers.
    pub(super) passed: usize,
    /// The commit timer runs.
    pub(super) timer: bool,
    /// The broker has refused the last commit.
    pub(super) refused: bool,
}

#[derive(Debug)]
struct Slot {
    partition: Partition,
    number: u64,
    watermark: Watermark,
    /// Records that the commit point has passed and no commit covers.
    passed: usize,
    /// How many of them the commit covers that is with the broker.
    asked: usize,
    /// Deliveries that are neither settled nor forgotten.
    live: u32,
    paused: bool,
    /// The group wants it back: nothing starts, what runs may finish.
    leaving: bool,
}

impl Slot {
    /// What to commit, if it is more than the broker has, as far as we know.
    fn position(&mut self) -> Option<Position> {
        self.asked = self.passed;
        let offset = self.watermark.commit_point().filter(|_| self.passed > 0)?;
        Some(Position { partition: self.partition.clone(), offset, metadata: "".into() })
    }
}

impl Partitions {
    pub(super) fn find(&self, partition: &Partition) -> Option<PartitionKey> {
        self.index.get(partition).copied()
    }

    /// What the lanes know the partition by.
    pub(super) fn number(&self, key: PartitionKey) -> u64 {
        self.slots.get(key).map_or(u64::MAX, |slot| slot.number)
    }

    pub(super) fn receive(&mut self, key: PartitionKey, offset: i64) -> Option<Place> {
        let slot = self.slots.get_mut(key)?;
        let place = slot.watermark.receive(offset)?;
        slot.live += 1;
        Some(place)
    }

    /// Settles a place.
    pub(super) fn settle(&mut self, key: PartitionKey, place: Place) {
        if let Some(slot) = self.slots.get_mut(key) {
            let passed = slot.watermark.settle(place);
            slot.passed += passed;
            self.passed += passed;
        }
    }

    pub(super) fn is_leaving(&self, key: PartitionKey) -> bool {
        self.slots.get(key).is_none_or(|slot| slot.leaving)
    }

    /// What to commit now.
    pub(super) fn positions(&mut self) -> Vec<Position> {
        let slots = self.slots.values_mut().filter(|slot| !slot.leaving);
        slots.filter_map(Slot::position).collect()
    }
}

impl Machine {
    pub(super) fn assigned(&mut self, assignments: Vec<Assignment>) {
        for Assignment { partition, metadata: _ } in assignments {
            // The source may have stopped waiting for a partition that was revoked, and have it again.
            self.lose(&partition);
            let next = self.partitions.numbers.len() as u64;
            let slot = Slot {
                partition: partition.clone(),
                number: *self.partitions.numbers.entry(partition.clone()).or_insert(next),
                watermark: Watermark::default(),
                passed: 0,
                asked: 0,
                live: 0,
                paused: false,
                leaving: false,
            };
            let key = self.partitions.slots.insert(slot);
            self.partitions.index.insert(partition, key);
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
            self.drop_what_has_not_started(key);
            self.timers.set(now.after(self.route.release_limit), Timer::GiveUp(key));
            self.give_up_if_idle(key);
        }
        self.share_anew();
    }

    pub(super) fn lost(&mut self, partitions: &[Partition]) {
        partitions.iter().for_each(|partition| self.lose(partition));
        self.share_anew();
    }

    fn lose(&mut self, partition: &Partition) {
        let Some(key) = self.partitions.find(partition) else { return };
        // Forgotten first: nothing that ends now may still be committed.
        self.forget(key);
        self.drop_everything(key);
    }

    /// The limit for what runs is over.
    pub(super) fn give_up_now(&mut self, key: PartitionKey) {
        if self.partitions.slots.contains_key(key) {
            self.drop_everything(key);
            self.give_up_if_idle(key);
        }
    }

    /// A delivery of this partition has come to its end.
    pub(super) fn partition_left(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        slot.live -= 1;
        self.give_up_if_idle(key);
        self.resume_if_room(key);
    }

    fn give_up_if_idle(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        if slot.leaving && slot.live == 0 {
            let give_up = Ask::GiveUp { partition: slot.partition.clone(), commit: slot.position() };
            self.actions.push_back(Action::Ask(give_up));
            self.forget(key);
        }
    }

    fn forget(&mut self, key: PartitionKey) {
        if let Some(slot) = self.partitions.slots.remove(key) {
            self.partitions.passed -= slot.passed;
            self.intake.closed(slot.watermark.open() + slot.passed);
            self.partitions.index.remove(&slot.partition);
        }
    }

    fn drop_what_has_not_started(&mut self, key: PartitionKey) {
        self.drop_of(key, |state| matches!(state, State::Waiting | State::Parked));
    }

    fn drop_everything(&mut self, key: PartitionKey) {
        self.drop_of(key, |_| true);
    }

    fn drop_of(&mut self, key: PartitionKey, which: impl Fn(State) -> bool) {
        let live = self.deliveries.iter().filter(|(_, delivery)| delivery.is_live() && which(delivery.state));
        let chosen: Vec<_> = live.filter(|(_, delivery)| delivery.partition() == Some(key)).map(|(id, _)| id).collect();
        // All leave their lanes before the first ends, so that nobody moves up.
        for id in &chosen {
            self.withdraw(*id);
        }
        for id in chosen {
            self.finish(id, Fate::Revoked);
        }
    }

    /// A partition with its share of the bound above the commit point takes no more until some of it is settled.
    pub(super) fn pause_if_full(&mut self, key: PartitionKey) {
        let share = self.intake.share_of_each(self.partitions.slots.len());
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        if !slot.paused && !slot.leaving && slot.watermark.open() >= share {
            slot.paused = true;
            self.actions.push_back(Action::Ask(Ask::Pause(slot.partition.clone())));
        }
    }

    fn resume_if_room(&mut self, key: PartitionKey) {
        let share = self.intake.share_of_each(self.partitions.slots.len());
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        if slot.paused && !slot.leaving && slot.watermark.open() <= share * 3 / 4 {
            slot.paused = false;
            self.actions.push_back(Action::Ask(Ask::Resume(slot.partition.clone())));
        }
    }

    /// Partitions came or went: each has another share now.
    fn share_anew(&mut self) {
        let keys: Vec<_> = self.partitions.slots.keys().collect();
        for key in keys {
            self.pause_if_full(key);
            self.resume_if_room(key);
        }
    }

    pub(super) fn note_committed(&mut self, position: &Position) {
        if let Some(key) = self.partitions.find(&position.partition) {
            let slot = &mut self.partitions.slots[key];
            // Of an assignment that came after the question nothing was asked.
            let covered = std::mem::take(&mut slot.asked);
            slot.passed -= covered;
            self.partitions.passed -= covered;
            self.intake.closed(covered);
        }
    }
}
