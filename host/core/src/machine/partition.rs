//! The partitions that are ours, and how far each has come.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use slotmap::SlotMap;

use super::Machine;
use super::stuck::Stuck;
use crate::action::{Action, Ask};
use crate::ids::CommitPosition;
use crate::ids::{DeliveryId, Partition};
use crate::mark::Mark;
use crate::progress::{self, Identity, Progress, Tried};
use crate::watermark::{Place, Watermark};

slotmap::new_key_type! {
    /// One assignment of one partition: when it comes back it is another.
    pub(super) struct PartitionKey;
}

#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) slots: SlotMap<PartitionKey, Slot>,
    pub(super) index: HashMap<Partition, PartitionKey>,
    /// Names for lanes, the same whenever a partition comes back: an attempt may outlive its assignment.
    numbers: HashMap<Partition, u64>,
    /// Longest metadata of a commit, bytes, without its mark.
    metadata: usize,
    /// Who signs the commits of transactions, where there are any.
    writer: Option<u64>,
    /// Records that are settled and of which no confirmed commit says so.
    pub(super) unknown: usize,
    /// A commit would say something that the broker does not know.
    pub(super) news: bool,
    /// Deliveries that wait for a transaction.
    pub(super) prepared: usize,
    /// Commits asked for so far.
    pub(super) commits: u64,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    number: u64,
    /// What its commits are written for.
    identity: Identity,
    /// Longest metadata of a commit, bytes.
    metadata: usize,
    /// Where reading began; `None`: at the beginning of the log.
    start: Option<i64>,
    pub(super) watermark: Watermark,
    /// The mark of the group's last commit, as far as we know.
    mark: Option<Mark>,
    /// What the group knew of offsets that were not received yet.
    past: Progress,
    /// Records in hand that were tried before.
    tried: BTreeMap<i64, Tried>,
    /// Records that are settled and of which no confirmed commit says so.
    pub(super) unknown: usize,
    /// Of how many of them the commit says so that is with the broker.
    asked: usize,
    /// Records that the commit point has passed and no transaction covers.
    passed: usize,
    /// What the last commit needed for records that were tried: bytes, and how many there were.
    tried_bytes: (usize, usize),
    /// The broker does not know all that a commit would say.
    changed: bool,
    /// The number of the last commit that was asked for with this partition in it.
    asked_in: u64,
    /// The number of the last such commit that the broker has confirmed.
    confirmed: u64,
    /// Deliveries that wait for a transaction, by offset.
    pub(super) prepared: BTreeMap<i64, DeliveryId>,
    /// Deliveries that wait until a commit is confirmed that says how often they were tried.
    pub(super) uncommitted: Vec<DeliveryId>,
    /// Deliveries that wait because too many others were tried and are not settled.
    pub(super) stalled: BTreeMap<i64, DeliveryId>,
    /// Deliveries that are neither settled nor forgotten.
    pub(super) live: u32,
    /// How long the commit point has stood still while the partition takes no more; see `stuck.rs`.
    pub(super) stuck: Option<Stuck>,
    pub(super) paused: bool,
    /// The group wants it back: nothing starts, what runs may finish.
    pub(super) leaving: bool,
}

/// A record of a partition has come.
pub(super) enum Arrival {
    /// It is new, or was tried before.
    New(Place, Option<Tried>),
    /// It was finished before the partition came to us.
    Finished,
    /// It is in hand, or was.
    Repeated,
}

/// An attempt that is to begin.
pub(super) struct Start {
    pub(super) id: DeliveryId,
    pub(super) place: Place,
    /// The number of the commit that counts the attempts before.
    pub(super) counted: u64,
    /// It was begun before, and everybody waits for it.
    pub(super) held: bool,
}

impl Slot {
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

    /// What to commit, if it is more than the broker has, as far as we know.
    pub(super) fn position(&mut self, commit: u64) -> Option<CommitPosition> {
        let offset = self.watermark.commit_point().filter(|_| self.changed)?;
        self.asked_in = commit;
        self.changed = false;
        let encoded = self.progress().measured(offset, self.identity, self.metadata);
        // What found no room is not known to the broker; starts are held back so that it does not come to that.
        let left_out = encoded.left_out.map_or(0, |from| self.watermark.settled_from(from));
        self.asked = self.unknown.saturating_sub(left_out);
        self.tried_bytes = (encoded.tried, self.tried.len() + self.past.tried.len());
        Some(CommitPosition { partition: self.partition.clone(), offset, metadata: encoded.text })
    }

    /// Whether there is something that no commit has said.
    #[cfg(feature = "sabotage")]
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// What to commit before the partition is given up: also what a commit says that the broker has not answered. It may be
    /// refused, because the group is rebalancing, and then nobody is left to ask for it again.
    pub(super) fn last_position(&mut self) -> Option<CommitPosition> {
        self.changed |= self.asked_in > self.confirmed;
        self.position(u64::MAX)
    }

    /// What a transaction can take of this partition: all that is prepared up to the first that is not, with the offset
    /// behind it.
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

    /// Whether all others wait for this record: no commit and no transaction goes beyond it.
    fn is_first(&self, offset: i64) -> bool {
        let mut open = self.watermark.entries().filter(|(at, settled, _)| !settled && !self.prepared.contains_key(at));
        open.next().is_some_and(|(first, ..)| first == offset)
    }

    /// Whether there is room in the metadata for another record that was tried and is not settled.
    fn has_room_for_tried(&self) -> bool {
        self.tried_bytes() < self.room() / 2
    }

    /// For how many more such records there is room.
    fn tried_that_fit(&self) -> usize {
        (self.room() / 2).saturating_sub(self.tried_bytes()) / progress::TRIED
    }

    /// Bytes of metadata for records that were tried: as the last commit had them, and at most for those that came since.
    fn tried_bytes(&self) -> usize {
        let (bytes, then) = self.tried_bytes;
        let count = self.tried.len() + self.past.tried.len();
        bytes * then.min(count) / then.max(1) + count.saturating_sub(then) * progress::TRIED
    }

    /// Whether a record may start beside those that wait: it may have to be noted as tried, or as finished above the
    /// commit point. The first that is not settled always may: without it nothing gets lighter.
    fn has_room_for(&self, offset: i64, place: Place) -> bool {
        let fits = || self.has_room_for_tried() && (!self.is_heavy() || self.watermark.joins(place));
        fits() || self.is_first(offset)
    }

    /// Whether commits have hardly room for what they have to say. What earlier owners have said and has not come yet weighs
    /// as well, but until it has come nothing is held back: only who has the records can make it less.
    pub(super) fn is_heavy(&self) -> bool {
        self.past.is_empty() && self.weight() >= self.room() / 4 * 3
    }

    fn is_light(&self) -> bool {
        !self.past.is_empty() || self.weight() < self.room() / 2
    }

    /// Bytes of metadata that there may be.
    fn room(&self) -> usize {
        progress::room(self.metadata)
    }

    /// Bytes of metadata, at most.
    fn weight(&self) -> usize {
        self.tried_bytes() + (self.watermark.runs() + self.past.finished.len()) * progress::RUN
    }
}

impl Partitions {
    /// None yet. Metadata of their commits has at most so many bytes; `writer` signs those of transactions.
    pub(super) fn new(metadata: usize, writer: Option<u64>) -> Self {
        let metadata = if writer.is_some() { metadata.saturating_sub(Mark::LENGTH) } else { metadata };
        Self { metadata, writer, ..Self::default() }
    }

    pub(super) fn find(&self, partition: &Partition) -> Option<PartitionKey> {
        self.index.get(partition).copied()
    }

    /// A partition is ours; `past` is where reading begins, and what is known of the offsets from there on.
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

    /// Up to where a partition was read.
    #[cfg(feature = "sabotage")]
    pub(super) fn end(&self, partition: &Partition) -> Option<i64> {
        self.slots.get(self.find(partition)?)?.watermark.end()
    }

    /// What the lanes know the partition by.
    pub(super) fn number(&self, key: PartitionKey) -> u64 {
        self.slots.get(key).map_or(u64::MAX, |slot| slot.number)
    }

    /// A record has come; `told` says that commits say what is finished above them.
    pub(super) fn receive(&mut self, key: PartitionKey, offset: i64, told: bool) -> Arrival {
        let Some(slot) = self.slots.get_mut(key) else { return Arrival::Repeated };
        let Some(place) = slot.watermark.receive(offset) else { return Arrival::Repeated };
        if slot.past.is_finished(offset) {
            slot.past.forget_below(offset.saturating_add(1));
            self.settle(key, offset, place);
            if told {
                // The commit that said so before the partition came to us is confirmed, and ours will say it again.
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

    /// Nothing stands between these offsets, or between the beginning of the log and the second. It is no news of a
    /// partition that has not come as far as the first, or is beyond the other.
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

    /// Settles a place.
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

    /// One that is settled is known to the broker already.
    fn know(&mut self, key: PartitionKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.unknown -= 1;
            self.unknown -= 1;
        }
    }

    /// Notes that a record was tried. Returns the number of the first commit that says so.
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

    /// What to commit now. Partitions that the group wants back have a last commit of their own; those whose records are
    /// acknowledged before they are handled, `pledged`, wait for this one.
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
            slot.prepared.insert(offset, id);
            self.prepared += 1;
            self.news = true;
        }
    }

    /// A delivery that was prepared goes otherwise.
    pub(super) fn unprepare(&mut self, key: PartitionKey, offset: i64) {
        if self.slots.get_mut(key).and_then(|slot| slot.prepared.remove(&offset)).is_some() {
            self.prepared -= 1;
        }
    }

    /// What a transaction can take: deliveries in the order of their offsets, and the offsets behind them.
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

    /// Whether this commit was asked for in this assignment of its partition, and not confirmed.
    pub(super) fn is_asked(&self, position: &CommitPosition) -> bool {
        let slot = self.find(&position.partition).and_then(|key| self.slots.get(key));
        slot.is_some_and(|slot| slot.asked_in > slot.confirmed)
    }

    /// The broker has this commit. Returns how many records it covers, and who waited for it.
    pub(super) fn confirm(&mut self, position: &CommitPosition) -> (usize, Vec<DeliveryId>) {
        let Some(slot) = self.find(&position.partition).and_then(|key| self.slots.get_mut(key)) else {
            return (0, Vec::new());
        };
        if slot.asked_in > slot.confirmed {
            slot.mark = Mark::split(&position.metadata).1;
        }
        // Of an assignment that came after the question nothing was asked.
        let covered = std::mem::take(&mut slot.asked);
        slot.passed = slot.passed.saturating_sub(covered);
        slot.unknown -= covered;
        self.unknown -= covered;
        slot.confirmed = slot.asked_in;
        (covered, std::mem::take(&mut slot.uncommitted))
    }

    /// The mark that the group's commit of a partition bore when the last transaction was asked for, if any. `None` where the
    /// partition was not in it, or has come and gone since.
    pub(super) fn mark_before_the_last(&self, partition: &Partition) -> Option<Option<Mark>> {
        let slot = self.find(partition).and_then(|key| self.slots.get(key))?;
        (slot.asked_in == self.commits).then_some(slot.mark)
    }

    /// The broker has refused this commit: all that it said is news again.
    pub(super) fn refuse(&mut self, position: &CommitPosition) {
        if let Some(slot) = self.find(&position.partition).and_then(|key| self.slots.get_mut(key)) {
            slot.changed = true;
            self.news = true;
        }
    }

    /// Whether a delivery may start: the broker knows how often it was tried, and there is room to note that it was. If not,
    /// it is kept here until then.
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
    /// A delivery of this partition has come to its end.
    pub(super) fn partition_left(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        slot.live -= 1;
        self.start_stalled(key);
        self.give_up_if_idle(key);
        self.resume_if_room(key);
    }

    /// Lets those start for which there is room in the metadata now, or the one that all others wait for.
    pub(super) fn start_stalled(&mut self, key: PartitionKey) {
        let Some(slot) = self.partitions.slots.get_mut(key) else { return };
        let Some((first, _)) = slot.stalled.first_key_value() else { return };
        let most = match slot.has_room_for_tried() && !slot.is_heavy() {
            // More would only come back: each may fail and has to be noted then. Who ends starts the next.
            true => slot.tried_that_fit().max(1),
            false if slot.is_first(*first) => 1,
            false => return,
        };
        let started: Vec<_> = std::iter::from_fn(|| slot.stalled.pop_first()).take(most).collect();
        started.into_iter().for_each(|(_, id)| self.enqueue(id));
    }

    /// A partition that holds its share of the bound, and more than what all together leave free, takes no more until some
    /// of it is settled, nor does one whose commits have hardly room for what they have to say.
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

    /// Partitions came or went: each has another share now.
    pub(super) fn share_anew(&mut self) {
        let keys: Vec<_> = self.partitions.slots.keys().collect();
        for key in keys {
            self.pause_if_full(key);
            self.resume_if_room(key);
        }
    }
}
