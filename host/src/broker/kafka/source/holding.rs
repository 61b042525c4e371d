//! The assigned partitions, and the records of them that may be returned to the flow.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use cofferdam_core::event::Partition;
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::message::Record;
use cofferdam_core::progress::Identity;
use metrics::Gauge;
use rdkafka::bindings::rd_kafka_message_errstr;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

use super::ends::End;
use super::identity::{Ids, TopicId};
use super::place::{Place, UNKNOWN_EPOCH, place};
use super::queue::{BATCH, Message, Queue};
use super::record::record;
use super::watermarks::watermarks;

/// The grants of the flow that are not used yet.
#[derive(Debug, Default)]
pub(super) struct Balance {
    messages: u64,
    /// Negative if the last record exceeded the grant.
    bytes: i64,
}

/// An assigned partition.
pub(super) struct Holding {
    pub(super) partition: Partition,
    /// The committed offset of the group, where reading starts; `None` without a commit.
    pub(super) committed: Option<i64>,
    /// The lag gauge; set to 0 when the assignment ends.
    pub(super) lag: Gauge,
    queue: Queue,
    /// Whether the flow has paused the partition.
    paused: bool,
    /// The offset after the last returned record.
    next: Option<i64>,
    /// The leader epoch of the last returned record; -1 if it is not known.
    epoch: i32,
    /// Whether the group has revoked the partition. It is no longer read.
    revoked: bool,
    /// The first record after the log began anew; it waits until the flow has been told.
    anew: Option<Record>,
    /// The id of the topic, if a broker has reported one.
    topic: Option<TopicId>,
    /// The id before the log began anew, to compare with the id that is reported next.
    topic_before: Option<TopicId>,
    /// The topic identity that the commits of the flow belong to.
    pub(super) identity: Identity,
    /// Whether the topic was created again. The partition is not read; a new consumer reads that of the new topic.
    halted: bool,
    /// Replaced each time reading begins anew, so that weak references to the earlier one expire.
    life: Arc<()>,
}

/// The result of one read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    /// Whether the next record does not continue from here. The flow must get the partition as a new assignment.
    pub(super) begins_anew: bool,
}

/// The result of a check of the topic id.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Same,
    /// The id has changed, and the flow has not been told.
    Recreated,
    /// The id has changed, and the flow was told when the log began anew.
    BegunAnew,
}

/// Partitions whose topic was deleted and created again.
#[derive(Debug, Default)]
pub(super) struct Recreated {
    /// Partitions for which the flow was told already.
    pub(super) begun_anew: Vec<Partition>,
    /// Partitions that were read until this check, and are not any more.
    pub(super) halted: Vec<Partition>,
}

impl Balance {
    /// Adds a grant.
    pub(super) fn grant(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Returns whether another record may be returned.
    fn is_open(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    fn room(&self) -> usize {
        usize::try_from(self.messages).unwrap_or(usize::MAX)
    }

    fn charge(&mut self, record: &Record) {
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(i64::try_from(record.size()).unwrap_or(i64::MAX));
    }
}

impl Holding {
    pub(super) fn new(
        partition: Partition,
        queue: Queue,
        committed: Option<i64>,
        (topic, identity): (Option<TopicId>, Identity),
        lag: Gauge,
    ) -> Self {
        Self {
            partition,
            committed,
            lag,
            queue,
            paused: false,
            next: None,
            epoch: UNKNOWN_EPOCH,
            revoked: false,
            anew: None,
            topic,
            topic_before: None,
            identity,
            halted: false,
            life: Arc::default(),
        }
    }

    /// Checks whether the topic has a new id. Learns the id if none is known, and then reports whether it differs from
    /// the id before the log began anew.
    fn look(&mut self, ids: &Ids) -> Look {
        let Some(id) = ids.get(&self.partition.topic).filter(|_| !self.revoked && !self.halted) else {
            return Look::Same;
        };
        match self.topic {
            Some(known) if known != *id => Look::Recreated,
            Some(_) => Look::Same,
            None => {
                self.topic = Some(*id);
                if self.topic_before.take().is_some_and(|before| before != *id) { Look::BegunAnew } else { Look::Same }
            }
        }
    }

    /// Stops reading, because the topic was created again, and drops the records that the flow does not have yet.
    fn halt(&mut self) {
        self.halted = true;
        self.anew = None;
        self.queue.clear();
    }

    /// Stops reading for good, and drops the records that the flow does not have yet.
    fn revoke(&mut self) {
        self.revoked = true;
        self.anew = None;
        self.queue.clear();
    }

    /// Forgets the returned and fetched records. Reading begins anew at the committed offset.
    fn begin_anew(&mut self, committed: Option<i64>) {
        self.queue.clear();
        (self.committed, self.next, self.anew, self.paused) = (committed, None, None, false);
        self.epoch = UNKNOWN_EPOCH;
        self.life = Arc::default();
    }

    /// Returns the reading position: the offset after the last returned record, or the committed offset.
    pub(super) fn position(&self) -> Option<i64> {
        self.next.max(self.committed)
    }

    /// Returns whether the group has committed all returned records.
    fn is_done(&self) -> bool {
        !self.revoked
            && !self.halted
            && self.anew.is_none()
            && self.next.is_none_or(|next| self.committed >= Some(next))
    }

    /// Returns the assignment if all returned records are committed and librdkafka has no more; otherwise `None`.
    pub(super) fn idle(&self) -> Option<Weak<()>> {
        (self.is_done() && self.queue.is_empty()).then(|| Arc::downgrade(&self.life))
    }

    /// Moves the position to this end, because no readable record is before it. Returns whether the end belongs to this
    /// assignment.
    fn reach(&mut self, end: &End) -> bool {
        let is_same = self.committed == end.of.committed && end.of.life.ptr_eq(&Arc::downgrade(&self.life));
        let is_meant = is_same && self.is_done();
        if is_meant {
            self.next = Some(end.offset);
        }
        is_meant
    }

    /// Returns whether a commit of this offset is plausible: a record that was never returned cannot be settled.
    fn may_commit(&self, offset: i64) -> bool {
        !self.halted && self.position().is_some_and(|position| offset <= position)
    }

    /// Makes the reader look for records that librdkafka has but has not signalled. Returns whether there are any.
    pub(super) fn remind(&self) -> bool {
        self.queue.remind()
    }

    /// Takes up to [`BATCH`] records within the balance, and the waiting first record, which was counted already.
    fn take(&mut self, balance: &mut Balance) -> Taken {
        let mut taken = Taken::default();
        if self.paused || self.revoked || self.halted {
            return taken;
        }
        taken.records.extend(self.anew.take());
        while taken.records.len() < BATCH && balance.is_open() {
            let Some(message) = self.queue.next(balance.room()) else { break };
            if message.native().err != RD_KAFKA_RESP_ERR_NO_ERROR {
                complain(&message);
                continue;
            }
            let offset = message.native().offset;
            let high = || watermarks(message.consumer(), &self.partition).map(|(_, high)| high);
            let epoch = message.leader_epoch();
            let place = place((offset, epoch), (self.next, self.epoch), high);
            if place == Place::Repeat {
                continue;
            }
            self.epoch = epoch;
            let record = record(message.native(), &self.partition.topic);
            balance.charge(&record);
            self.next = Some(offset + 1);
            if place == Place::Anew {
                self.anew = Some(record);
                self.life = Arc::default();
                self.committed = None;
                // It may be a new topic. The next check learns its id.
                self.topic_before = self.topic.take();
                self.identity = self.identity.without_topic();
                taken.begins_anew = true;
                break;
            }
            taken.records.push(record);
        }
        taken
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // The new owner of the partition reports its lag now.
        self.lag.set(0.0);
    }
}

fn complain(message: &Message<'_>) {
    let native = message.native();
    // SAFETY: the message is alive, and librdkafka gives a C string that lives as long, or null.
    let text = unsafe {
        let text = rd_kafka_message_errstr(native);
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    message.consumer().context().journal.error(&KafkaError::MessageConsumption(native.err.into()), &text);
}

/// All assigned partitions.
#[derive(Default)]
pub(super) struct Held {
    holdings: BTreeMap<Partition, Holding>,
    /// The partition that was served last.
    last: Option<Partition>,
}

impl Held {
    pub(super) fn insert(&mut self, holding: Holding) {
        self.holdings.insert(holding.partition.clone(), holding);
    }

    /// Removes these partitions and returns those that were assigned.
    pub(super) fn remove(&mut self, partitions: impl IntoIterator<Item = Partition>) -> Vec<Holding> {
        partitions.into_iter().filter_map(|partition| self.holdings.remove(&partition)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Holding> {
        self.holdings.values()
    }

    /// Stops reading the partition; returns whether the flow has it.
    pub(super) fn revoke(&mut self, partition: &Partition) -> bool {
        let holding = self.holdings.get_mut(partition).filter(|holding| !holding.halted);
        holding.map(Holding::revoke).is_some()
    }

    /// Returns whether the partition is assigned and being read.
    pub(super) fn is_read(&self, partition: &Partition) -> bool {
        self.holdings.get(partition).is_some_and(|holding| !holding.revoked && !holding.halted)
    }

    /// Begins anew at the committed offset; records returned before no longer count.
    pub(super) fn begin_anew(&mut self, partition: &Partition, committed: Option<i64>) {
        if let Some(holding) = self.holdings.get_mut(partition) {
            holding.begin_anew(committed);
        }
    }

    /// Stops reading partitions whose topic has a new id.
    pub(super) fn halt_recreated(&mut self, ids: &Ids) -> Recreated {
        let mut recreated = Recreated::default();
        for holding in self.holdings.values_mut() {
            match holding.look(ids) {
                Look::Same => {}
                Look::BegunAnew => recreated.begun_anew.push(holding.partition.clone()),
                Look::Recreated => {
                    holding.halt();
                    recreated.halted.push(holding.partition.clone());
                }
            }
        }
        recreated
    }

    /// Returns the topic identity that the commits of a partition belong to; unknown if it is not assigned.
    pub(super) fn identity(&self, partition: &Partition) -> Identity {
        self.holdings.get(partition).map(|holding| holding.identity).unwrap_or_default()
    }

    /// Applies an end that was found; returns whether it belongs to the current assignment.
    pub(super) fn reach(&mut self, end: &End) -> bool {
        self.holdings.get_mut(&end.of.partition).is_some_and(|holding| holding.reach(end))
    }

    /// Pauses or resumes a partition.
    pub(super) fn pause(&mut self, partition: &Partition, paused: bool) {
        if let Some(holding) = self.holdings.get_mut(partition) {
            holding.paused = paused;
        }
    }

    /// Notes a commit of the group. An offset beyond the returned records is ignored: it was committed in an earlier
    /// assignment, and the position of the group was reset since.
    pub(super) fn committed(&mut self, partition: &Partition, offset: i64) {
        if let Some(holding) = self.holdings.get_mut(partition).filter(|holding| holding.may_commit(offset)) {
            holding.committed = Some(offset);
        }
    }

    /// Returns whether the partition is assigned and was read up to this offset. Kafka accepts a commit of any member
    /// for any partition, so an unchecked commit could overwrite the position of another member.
    pub(super) fn may_commit(&self, position: &CommitPosition) -> bool {
        self.holdings.get(&position.partition).is_some_and(|holding| holding.may_commit(position.offset))
    }

    /// Returns the records of the next partition in turn, within the balance; `None` if there are none.
    pub(super) fn take_in_turn(&mut self, balance: &mut Balance) -> Option<(Partition, Taken)> {
        let take = |holding: &mut Holding| {
            let taken = holding.take(balance);
            let is_something = taken.begins_anew || !taken.records.is_empty();
            is_something.then(|| (holding.partition.clone(), taken))
        };
        first_in_turn(&mut self.holdings, &mut self.last, take)
    }
}

/// Returns the first entry with a value, starting after the one served last, so that no partition starves.
fn first_in_turn<K: Ord + Clone, V, T>(
    map: &mut BTreeMap<K, V>,
    last: &mut Option<K>,
    mut take: impl FnMut(&mut V) -> Option<T>,
) -> Option<T> {
    let from = last.clone();
    let behind = (from.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    let up_to = from.as_ref().map(|from| (Bound::Unbounded, Bound::Included(from)));
    for range in [Some(behind), up_to].into_iter().flatten() {
        for (key, value) in map.range_mut::<K, _>(range) {
            if let Some(taken) = take(value) {
                *last = Some(key.clone());
                return Some(taken);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_and_who_has_nothing_is_passed_over() {
        let mut map = BTreeMap::from([(0, 9), (1, 0), (2, 2), (3, 9)]);
        let mut last = None;
        let mut turns = Vec::new();
        while turns.len() < 8 {
            turns.extend(first_in_turn(&mut map, &mut last, |left| {
                *left = u32::checked_sub(*left, 1)?;
                Some(*left)
            }));
        }
        assert_eq!(turns, [8, 1, 8, 7, 0, 7, 6, 6]);
        assert_eq!(first_in_turn(&mut map, &mut Some(7), |left| Some(*left)), Some(6), "the last one may be gone");
        assert_eq!(first_in_turn(&mut map, &mut None, |_| None::<()>), None);
    }
}
