//! The assigned partitions, and the progress of each.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use slotmap::SlotMap;

use super::Machine;
use super::key::PartitionKey;
use super::stuck::Stuck;
use crate::action::{Action, Ask, Bound};
use crate::ids::{CommitPosition, DeliveryId, Partition};
use crate::mark::Mark;
use crate::progress::{self, Identity, Progress, Tried};
use crate::watermark::{Place, Watermark};

#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) slots: SlotMap<PartitionKey, Slot>,
    pub(super) index: HashMap<Partition, PartitionKey>,
    /// Numbers of partitions in lane keys. A partition keeps its number when it is assigned again, because an attempt may
    /// outlive its assignment.
    numbers: HashMap<Partition, u64>,
    /// Maximum length of commit metadata in bytes, without the commit mark.
    metadata: usize,
    /// The id that signs the commits of transactions, if the route uses them.
    writer: Option<u64>,
    /// Number of settled records that no confirmed commit contains.
    pub(super) unknown: usize,
    /// Whether a commit would tell the broker anything new.
    pub(super) news: bool,
    /// Number of deliveries that wait for a transaction.
    pub(super) prepared: usize,
    /// Number of commits requested so far.
    pub(super) commits: u64,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    number: u64,
    /// The identity that the commits of the partition are written for.
    identity: Identity,
    /// Maximum length of commit metadata in bytes.
    metadata: usize,
    /// The offset at which reading began; `None` at the beginning of the log.
    start: Option<i64>,
    pub(super) watermark: Watermark,
    /// The mark of the group's last commit, as far as this machine knows.
    mark: Option<Mark>,
    /// Committed progress of offsets that were not received yet.
    past: Progress,
    /// Records in flight that were tried before.
    tried: BTreeMap<i64, Tried>,
    /// Number of settled records that no confirmed commit contains.
    pub(super) unknown: usize,
    /// How many of these are in the unanswered commit.
    asked: usize,
    /// Number of records below the commit point that no transaction covers.
    passed: usize,
    /// The metadata of the last commit for tried records: bytes, and number of records.
    tried_bytes: (usize, usize),
    /// Whether a commit would tell the broker anything new.
    changed: bool,
    /// The number of the last requested commit with this partition.
    asked_in: u64,
    /// The number of the last confirmed commit with this partition.
    confirmed: u64,
    /// Deliveries that wait for a transaction, by offset.
    pub(super) prepared: BTreeMap<i64, DeliveryId>,
    /// Deliveries that wait for the confirmation of a commit with their number of attempts.
    pub(super) uncommitted: Vec<DeliveryId>,
    /// Deliveries that wait because too many other records were tried and are not settled.
    pub(super) stalled: BTreeMap<i64, DeliveryId>,
    /// Number of deliveries that are neither settled nor forgotten.
    pub(super) live: u32,
    /// Since when the commit point has not moved while the partition receives no more; see `stuck.rs`.
    pub(super) stuck: Option<Stuck>,
    pub(super) paused: bool,
    /// Whether the partition is being revoked: no attempt starts, running ones may finish.
    pub(super) leaving: bool,
}

/// The kind of a received record.
pub(super) enum Arrival {
    /// The record is new, or was tried before.
    New(Place, Option<Tried>),
    /// The record was finished before the partition was assigned to this host.
    Finished,
    /// The record is or was already in flight.
    Repeated,
}

/// An attempt that is to start.
pub(super) struct Start {
    pub(super) id: DeliveryId,
    pub(super) place: Place,
    /// The number of the commit that contains the earlier attempts.
    pub(super) counted: u64,
    /// Whether the record was started before and blocks all others.
    pub(super) held: bool,
}

impl Slot {
    /// The bound that stops intake or starts of the partition; `full` tells whether the bound of the whole route is reached.
    pub(super) fn reached(&self, full: bool) -> Option<Bound> {
        if self.live == 0 {
            None
        } else if self.is_heavy() || !self.stalled.is_empty() {
            Some(Bound::Metadata)
        } else {
            (self.paused || full).then_some(Bound::InFlight)
        }
    }

    fn new(
        partition: Partition,
        number: u64,
        identity: Identity,
        (start, past, mark): (Option<i64>, Progress, Option<Mark>),
        metadata: usize,
    ) -> Self {
        Self {
            partition,
            number,
            identity,
            metadata,
            start,
            watermark: Watermark::default(),
            mark,
            past,
            tried: BTreeMap::new(),
            unknown: 0,
            asked: 0,
            passed: 0,
            tried_bytes: (0, 0),
            changed: false,
            asked_in: 0,
            confirmed: 0,
            prepared: BTreeMap::new(),
            uncommitted: Vec::new(),
            stalled: BTreeMap::new(),
            live: 0,
            stuck: None,
            paused: false,
            leaving: false,
        }
    }

    /// The position to commit, if the broker does not know it yet.
    pub(super) fn position(&mut self, commit: u64) -> Option<CommitPosition> {
        let offset = self.watermark.commit_point().filter(|_| self.changed)?;
        self.asked_in = commit;
        self.changed = false;
        let encoded = self.progress().measured(offset, self.identity, self.metadata);
        // The broker does not know entries that did not fit. Starts are held back earlier, so that this does not happen.
        let left_out = encoded.left_out.map_or(0, |from| self.watermark.settled_from(from));
        self.asked = self.unknown.saturating_sub(left_out);
        self.tried_bytes = (encoded.tried, self.tried.len() + self.past.tried.len());
        Some(CommitPosition { partition: self.partition.clone(), offset, metadata: encoded.text })
    }

    /// Whether there is progress that no commit contains.
    #[cfg(feature = "sabotage")]
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// The last position before the partition is given up. It includes a commit that the broker has not answered: that one
    /// may be refused because of the rebalance, and nothing would repeat it.
    pub(super) fn last_position(&mut self) -> Option<CommitPosition> {
        self.changed |= self.asked_in > self.confirmed;
        self.position(u64::MAX)
    }

    /// The part of this partition for a transaction: all prepared deliveries up to the first unprepared one, and the offset
    /// after them.
    fn transaction(&mut self, mark: Mark, commit: u64, deliveries: &mut Vec<DeliveryId>) -> Option<CommitPosition> {
        let mut next = self.watermark.end()?;
        let mut covered = self.passed;
        for (offset, settled, count) in self.watermark.entries() {
            if let Some(id) = self.prepared.remove(&offset) {
                deliveries.push(id);
                self.changed = true;
            } else if !settled {
                next = offset;
                break;
            }
            covered += count;
        }
        if !self.changed {
            return None;
        }
        self.asked = covered;
        (self.changed, self.asked_in) = (false, commit);
        let tried = self.progress().tried.split_off(&next);
        let progress = Progress { finished: Vec::new(), tried };
        let metadata = mark.sign(&progress.encode(next, self.identity, self.metadata));
        Some(CommitPosition { partition: self.partition.clone(), offset: next, metadata })
    }

    fn progress(&self) -> Progress {
        let mut finished: Vec<Range<i64>> = self.watermark.finished();
        finished.extend(self.past.finished.iter().cloned());
        let tried = self.tried.iter().chain(&self.past.tried).map(|(offset, tried)| (*offset, *tried));
        Progress { finished, tried: tried.collect() }
    }

    /// Whether this is the first unsettled record, so that no commit and no transaction can pass it.
    fn is_first(&self, offset: i64) -> bool {
        let mut open = self.watermark.entries().filter(|(at, settled, _)| !settled && !self.prepared.contains_key(at));
        open.next().is_some_and(|(first, ..)| first == offset)
    }

    /// Whether the metadata has room for another record that was tried and is not settled.
    fn has_room_for_tried(&self) -> bool {
        self.tried_bytes() < self.room() / 2
    }

    /// Number of further such records that fit.
    fn tried_that_fit(&self) -> usize {
        (self.room() / 2).saturating_sub(self.tried_bytes()) / progress::TRIED
    }

    /// Bytes of metadata for tried records: the size in the last commit, and the maximum size for later ones.
    fn tried_bytes(&self) -> usize {
        let (bytes, then) = self.tried_bytes;
        let count = self.tried.len() + self.past.tried.len();
        bytes * then.min(count) / then.max(1) + count.saturating_sub(then) * progress::TRIED
    }

    /// Whether a record may start in addition to the waiting ones. The commit may have to note it as tried, or as finished
    /// above the commit point. The first unsettled record may always start, because nothing else frees room.
    fn has_room_for(&self, offset: i64, place: Place) -> bool {
        let fits = || self.has_room_for_tried() && (!self.is_heavy() || self.watermark.joins(place));
        fits() || self.is_first(offset)
    }

    /// Whether the metadata is almost full. Progress of earlier owners for records that have not arrived also takes room,
    /// but nothing is held back before they arrive, because only the received records can free that room.
    pub(super) fn is_heavy(&self) -> bool {
        self.past.is_empty() && self.weight() >= self.room() / 4 * 3
    }

    fn is_light(&self) -> bool {
        !self.past.is_empty() || self.weight() < self.room() / 2
    }

    /// Available bytes of metadata.
    fn room(&self) -> usize {
        progress::room(self.metadata)
    }

    /// Maximum bytes of metadata that are needed now.
    fn weight(&self) -> usize {
        self.tried_bytes() + (self.watermark.runs() + self.past.finished.len()) * progress::RUN
    }
}

impl Partitions {
    /// Makes an empty set. Commit metadata has at most `metadata` bytes; `writer` signs the commits of transactions.
    pub(super) fn new(metadata: usize, writer: Option<u64>) -> Self {
        let metadata = if writer.is_some() { metadata.saturating_sub(Mark::LENGTH) } else { metadata };
        Self { metadata, writer, ..Self::default() }
    }

    pub(super) fn find(&self, partition: &Partition) -> Option<PartitionKey> {
        self.index.get(partition).copied()
    }

    /// Adds an assigned partition; `past` contains the offset where reading begins, and the known progress from there on.
    pub(super) fn add(
        &mut self,
        partition: Partition,
        identity: Identity,
        past: (Option<i64>, Progress, Option<Mark>),
    ) {
        let next = self.numbers.len() as u64;
        let number = *self.numbers.entry(partition.clone()).or_insert(next);
        let key = self.slots.insert(Slot::new(partition.clone(), number, identity, past, self.metadata));
        self.index.insert(partition, key);
    }

    /// The end offset up to which a partition was read.
    #[cfg(feature = "sabotage")]
    pub(super) fn end(&self, partition: &Partition) -> Option<i64> {
        self.slots.get(self.find(partition)?)?.watermark.end()
    }

    /// The number of the partition in lane keys.
    pub(super) fn number(&self, key: PartitionKey) -> u64 {
        self.slots.get(key).map_or(u64::MAX, |slot| slot.number)
    }

    /// Records the receipt of a record. `told` means that commits contain the finished records above the commit point.
    pub(super) fn receive(&mut self, key: PartitionKey, offset: i64, told: bool) -> Arrival {
        let Some(slot) = self.slots.get_mut(key) else { return Arrival::Repeated };
        let Some(place) = slot.watermark.receive(offset) else { return Arrival::Repeated };
        if slot.past.is_finished(offset) {
            slot.past.forget_below(offset.saturating_add(1));
            self.settle(key, offset, place);
            if told {
                // The commit that contained it before the assignment is confirmed, and further commits will contain it, too.
                self.know(key);
            }
            return Arrival::Finished;
        }
        slot.live += 1;
        let tried = slot.past.tried.remove(&offset);
        slot.tried.extend(tried.map(|tried| (offset, tried)));
        slot.past.forget_below(offset.saturating_add(1));
        Arrival::New(place, tried)
    }

    /// Notes that no record exists between these offsets, or between the beginning of the log and the second. Has no effect
    /// if the partition has not been read up to the first offset, or is beyond the second.
    pub(super) fn reach(&mut self, key: PartitionKey, from: Option<i64>, offset: i64) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let at = slot.watermark.end().max(slot.start);
        if at < from || at >= Some(offset) {
            return;
        }
        let before = slot.watermark.commit_point();
        slot.watermark.reach(offset);
        slot.past.forget_below(offset);
        if slot.watermark.commit_point() != before {
            slot.changed = true;
            self.news = true;
        }
    }

    /// Settles a record.
    pub(super) fn settle(&mut self, key: PartitionKey, offset: i64, place: Place) {
        if let Some(slot) = self.slots.get_mut(key) {
            let passed = slot.watermark.settle(place);
            slot.tried.remove(&offset);
            slot.passed += passed;
            slot.changed = true;
            slot.unknown += 1;
            self.unknown += 1;
            self.news = true;
        }
    }

    /// Counts a settled record as known to the broker.
    fn know(&mut self, key: PartitionKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.unknown -= 1;
            self.unknown -= 1;
        }
    }

    /// Notes that a record was tried. Returns the number of the first commit that contains this.
    pub(super) fn tried(&mut self, key: PartitionKey, offset: i64, tried: Tried) -> u64 {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.tried.insert(offset, tried);
            slot.changed = true;
            self.news = true;
        }
        self.commits + 1
    }

    pub(super) fn is_leaving(&self, key: PartitionKey) -> bool {
        self.slots.get(key).is_none_or(|slot| slot.leaving)
    }

    /// The positions to commit now. A partition that is being revoked is left out, because it has a last commit of its own.
    /// With `pledged` (records are acknowledged before they are handled) it is included, because deliveries wait for this
    /// commit.
    pub(super) fn positions(&mut self, pledged: bool) -> Vec<CommitPosition> {
        self.news = false;
        let commit = self.commits + 1;
        let slots = self.slots.values_mut().filter(|slot| pledged || !slot.leaving);
        let positions: Vec<_> = slots.filter_map(|slot| slot.position(commit)).collect();
        self.commits += u64::from(!positions.is_empty());
        positions
    }

    pub(super) fn prepare(&mut self, key: PartitionKey, offset: i64, id: DeliveryId) {
        if let Some(slot) = self.slots.get_mut(key) {
            // A prepared delivery whose output is rejected is prepared again with its dead letter.
            if slot.prepared.insert(offset, id).is_none() {
                self.prepared += 1;
            }
            self.news = true;
        }
    }

    /// Removes a prepared delivery that ends in another way.
    pub(super) fn unprepare(&mut self, key: PartitionKey, offset: i64) {
        if self.slots.get_mut(key).and_then(|slot| slot.prepared.remove(&offset)).is_some() {
            self.prepared -= 1;
        }
    }

    /// The content of the next transaction: deliveries in the order of their offsets, and the offsets after them.
    pub(super) fn transaction(&mut self) -> (Vec<DeliveryId>, Vec<CommitPosition>) {
        self.news = false;
        let commit = self.commits + 1;
        let mut deliveries = Vec::new();
        let mark = Mark::new(self.writer.unwrap_or_default(), commit);
        let slots = self.slots.values_mut();
        let positions: Vec<_> = slots.filter_map(|slot| slot.transaction(mark, commit, &mut deliveries)).collect();
        self.prepared -= deliveries.len();
        self.commits += u64::from(!positions.is_empty());
        (deliveries, positions)
    }

    /// Whether the last requested commit contains this partition.
    pub(super) fn is_in_last_commit(&self, key: PartitionKey) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.asked_in == self.commits)
    }

    /// Whether this commit was requested in the current assignment of its partition, and is not confirmed.
    pub(super) fn is_asked(&self, position: &CommitPosition) -> bool {
        let slot = self.find(&position.partition).and_then(|key| self.slots.get(key));
        slot.is_some_and(|slot| slot.asked_in > slot.confirmed)
    }

    /// Confirms a commit. Returns the number of records that it covers, and the deliveries that waited for it.
    pub(super) fn confirm(&mut self, position: &CommitPosition) -> (usize, Vec<DeliveryId>) {
        let Some(slot) = self.find(&position.partition).and_then(|key| self.slots.get_mut(key)) else {
            return (0, Vec::new());
        };
        if slot.asked_in > slot.confirmed {
            slot.mark = Mark::split(&position.metadata).1;
        }
        // Nothing was requested in an assignment that began after this commit.
        let covered = std::mem::take(&mut slot.asked);
        slot.passed = slot.passed.saturating_sub(covered);
        slot.unknown -= covered;
        self.unknown -= covered;
        slot.confirmed = slot.asked_in;
        (covered, std::mem::take(&mut slot.uncommitted))
    }

    /// The mark of the group's commit of a partition at the time of the last transaction, if it had one. The outer `None`
    /// means that the partition was not in the transaction, or was reassigned since.
    pub(super) fn mark_before_the_last(&self, partition: &Partition) -> Option<Option<Mark>> {
        let slot = self.find(partition).and_then(|key| self.slots.get(key))?;
        (slot.asked_in == self.commits).then_some(slot.mark)
    }

    /// Marks the content of a refused commit as new again.
    pub(super) fn refuse(&mut self, position: &CommitPosition) {
        if let Some(slot) = self.find(&position.partition).and_then(|key| self.slots.get_mut(key)) {
            slot.changed = true;
            self.news = true;
        }
    }

    /// Whether a delivery may start: the broker knows how often it was tried, and the metadata has room to note that. If
    /// not, it waits here.
    pub(super) fn lets_start(&mut self, key: PartitionKey, offset: i64, start: Start) -> bool {
        let Start { id, place, counted, held } = start;
        let Some(slot) = self.slots.get_mut(key) else { return true };
        if slot.confirmed < counted {
            slot.uncommitted.push(id);
        } else if !held && !slot.tried.contains_key(&offset) && !slot.has_room_for(offset, place) {
            slot.stalled.insert(offset, id);
        } else {
            return true;
        }
        false
    }
}

impl Machine {
    /// Notes that a delivery of this partition has ended.
    pub(super) fn partition_left(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        slot.live -= 1;
        self.start_stalled(key);
        self.give_up_if_idle(key);
        self.resume_if_room(key);
    }

    /// Starts waiting deliveries for which the metadata has room now, or the one that blocks all others.
    pub(super) fn start_stalled(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        let Some((first, _)) = slot.stalled.first_key_value() else { return };
        let most = match slot.has_room_for_tried() && !slot.is_heavy() {
            // More would only come back here, because each may fail and would have to be noted. The end of each starts the
            // next.
            true => slot.tried_that_fit().max(1),
            false if slot.is_first(*first) => 1,
            false => return,
        };
        let started: Vec<_> = std::iter::from_fn(|| slot.stalled.pop_first()).take(most).collect();
        started.into_iter().for_each(|(_, id)| self.enqueue(id));
    }

    /// Pauses a partition until some of its records are settled, if it holds its share of the bound and more than the free
    /// room of all partitions, or if its commit metadata is almost full.
    pub(super) fn pause_if_full(&mut self, key: PartitionKey) {
        let share = self.intake.share_of_each(self.partitions.slots.len());
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        let full = slot.live as usize >= share || slot.is_heavy();
        if !slot.paused && !slot.leaving && full {
            slot.paused = true;
            self.actions.push_back(Action::Ask(Ask::Pause(slot.partition.clone())));
            self.look_for_stuck();
        }
    }

    pub(super) fn resume_if_room(&mut self, key: PartitionKey) {
        let share = self.intake.share_of_each(self.partitions.slots.len());
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        let room = slot.live as usize <= share * 3 / 4 && slot.is_light();
        if slot.paused && !slot.leaving && room {
            slot.paused = false;
            self.actions.push_back(Action::Ask(Ask::Resume(slot.partition.clone())));
        }
    }

    /// Recalculates the share of each partition after an assignment or revocation.
    pub(super) fn share_anew(&mut self) {
        let keys: Vec<_> = self.partitions.slots.keys().collect();
        for key in keys {
            self.pause_if_full(key);
            self.resume_if_room(key);
        }
    }
}
