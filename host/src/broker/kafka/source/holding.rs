//! The partitions that are ours, and what may be handed over of them.

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
use super::lag;
use super::queue::{BATCH, Message, Queue};
use super::record::record;

/// What the flow has granted and the source has not used.
#[derive(Debug, Default)]
pub(super) struct Balance {
    messages: u64,
    /// Below zero where the last record went over.
    bytes: i64,
}

/// A partition that is ours.
pub(super) struct Holding {
    pub(super) partition: Partition,
    /// Where the group will start to read; `None` where it has committed nothing.
    pub(super) committed: Option<i64>,
    /// Shows 0 once the partition is no longer ours.
    pub(super) lag: Gauge,
    queue: Queue,
    /// The flow wants none of it for now.
    paused: bool,
    /// The offset after the last one handed over.
    next: Option<i64>,
    /// The group wants it back: it is read no more.
    revoked: bool,
    /// The first record after the partition has begun anew; it waits until the flow has been told.
    anew: Option<Record>,
    /// The topic's id, where the broker has told one.
    topic: Option<TopicId>,
    /// The id before the log began anew, to be compared with the one that is told next.
    topic_before: Option<TopicId>,
    /// What the flow's commits are written for.
    pub(super) identity: Identity,
    /// The topic was created again: it is not read before it is read from its start.
    halted: bool,
    /// Another one each time that reading begins anew.
    life: Arc<()>,
}

/// What a visit brought.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    /// What follows does not go on from there: the partition has to be given to the flow as a new one.
    pub(super) begins_anew: bool,
}

/// What a look at a topic's id brought.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Same,
    /// It is another, and the flow does not know.
    Recreated,
    /// It is another, and the flow was told when the log began anew.
    BegunAnew,
}

/// Partitions whose topic was deleted and created again.
#[derive(Debug, Default)]
pub(super) struct Recreated {
    /// The flow was told already.
    pub(super) begun_anew: Vec<Partition>,
    /// Read until this look.
    pub(super) newly: Vec<Partition>,
    /// All that are not read before they are read from their start.
    pub(super) halted: Vec<Partition>,
}

/// How a record follows the one before.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Next,
    Repeat,
    Anew,
}

impl Balance {
    /// More room.
    pub(super) fn grant(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether another record may be handed over.
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
            revoked: false,
            anew: None,
            topic,
            topic_before: None,
            identity,
            halted: false,
            life: Arc::default(),
        }
    }

    /// Whether the topic has another id now. Where none is known this one is learnt; whether it is another than the one before
    /// the log began anew is told too.
    fn look(&mut self, ids: &Ids) -> Look {
        let Some(id) = ids.get(&self.partition.topic).filter(|_| !self.revoked) else { return Look::Same };
        match self.topic {
            Some(known) if known != *id => Look::Recreated,
            Some(_) => Look::Same,
            None => {
                self.topic = Some(*id);
                if self.topic_before.take().is_some_and(|before| before != *id) { Look::BegunAnew } else { Look::Same }
            }
        }
    }

    /// Reads it no more until [`restart`](Holding::restart), and throws away what the flow does not have yet.
    fn halt(&mut self) {
        self.halted = true;
        self.anew = None;
        self.queue.clear();
    }

    /// Reads it again, as another topic, from where librdkafka was told to go.
    fn restart(&mut self, topic: Option<TopicId>, identity: Identity) {
        self.queue.clear();
        (self.halted, self.next, self.committed) = (false, None, None);
        (self.topic, self.identity) = (topic, identity);
        self.life = Arc::default();
    }

    /// Stops reading it for good, and throws away what the flow does not have yet.
    fn revoke(&mut self) {
        self.revoked = true;
        self.anew = None;
        self.queue.clear();
    }

    /// Forgets what was handed over, and what was fetched: reading begins anew with what the group has committed.
    fn begin_anew(&mut self, committed: Option<i64>) {
        self.queue.clear();
        (self.committed, self.next, self.anew, self.paused) = (committed, None, None, false);
        self.life = Arc::default();
    }

    /// Where reading stands: the offset after the last one handed over, or what the group has committed.
    pub(super) fn position(&self) -> Option<i64> {
        self.next.max(self.committed)
    }

    /// Whether the group has committed all that was handed over.
    fn is_done(&self) -> bool {
        !self.revoked
            && !self.halted
            && self.anew.is_none()
            && self.next.is_none_or(|next| self.committed >= Some(next))
    }

    /// Which assignment it is, where all that was handed over is committed and librdkafka has nothing more.
    pub(super) fn idle(&self) -> Option<Weak<()>> {
        (self.is_done() && self.queue.is_empty()).then(|| Arc::downgrade(&self.life))
    }

    /// No record stands before this end that was not handed over; whether that is still said of this assignment.
    fn reach(&mut self, end: &End) -> bool {
        let is_same = self.committed == end.of.committed && end.of.life.ptr_eq(&Arc::downgrade(&self.life));
        let is_meant = is_same && self.is_done();
        if is_meant {
            self.next = Some(end.offset);
        }
        is_meant
    }

    /// Whether a commit of this offset can be meant: nobody has settled what was never handed over.
    fn may_commit(&self, offset: i64) -> bool {
        !self.halted && self.position().is_some_and(|position| offset <= position)
    }

    /// Has records looked for that librdkafka has and has not told of; whether there were such.
    pub(super) fn remind(&self) -> bool {
        self.queue.remind()
    }

    /// Takes up to [`BATCH`] records within the balance, and one that was paid for already.
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
            let high = || lag::watermarks(message.consumer(), &self.partition).map(|(_, high)| high);
            let place = place(offset, self.next, high);
            if place == Place::Repeat {
                continue;
            }
            let record = record(message.native(), &self.partition.topic);
            balance.charge(&record);
            self.next = Some(offset + 1);
            if place == Place::Anew {
                self.anew = Some(record);
                self.life = Arc::default();
                self.committed = None;
                // It may be another topic. Its id is learnt at the next look.
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
        // Somebody else counts it now.
        self.lag.set(0.0);
    }
}

/// librdkafka gives a record twice where it rebalances between taking a batch from its queue and noting how far that
/// went: at most a batch, and never behind the end of the log. Everything else that goes back is a log that was cut
/// short or made anew, and read again from its beginning.
fn place(offset: i64, next: Option<i64>, high: impl FnOnce() -> Option<i64>) -> Place {
    match next {
        Some(next) if offset < next => {
            let batch = BATCH as i64;
            let cut_short = high().is_some_and(|high| high < next);
            if cut_short || next - offset > batch { Place::Anew } else { Place::Repeat }
        }
        _ => Place::Next,
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

/// All partitions that are ours.
#[derive(Default)]
pub(super) struct Held {
    holdings: BTreeMap<Partition, Holding>,
    /// The last one that was served.
    last: Option<Partition>,
}

impl Held {
    pub(super) fn insert(&mut self, holding: Holding) {
        self.holdings.insert(holding.partition.clone(), holding);
    }

    /// Takes out those that are ours.
    pub(super) fn remove(&mut self, partitions: impl IntoIterator<Item = Partition>) -> Vec<Holding> {
        partitions.into_iter().filter_map(|partition| self.holdings.remove(&partition)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Holding> {
        self.holdings.values()
    }

    /// Reads it no more; whether it is ours.
    pub(super) fn revoke(&mut self, partition: &Partition) -> bool {
        self.holdings.get_mut(partition).map(Holding::revoke).is_some()
    }

    /// Whether it is ours and is read.
    pub(super) fn is_read(&self, partition: &Partition) -> bool {
        self.holdings.get(partition).is_some_and(|holding| !holding.revoked)
    }

    /// What was handed over of it counts for nothing: it begins anew with what the group has committed.
    pub(super) fn begin_anew(&mut self, partition: &Partition, committed: Option<i64>) {
        if let Some(holding) = self.holdings.get_mut(partition) {
            holding.begin_anew(committed);
        }
    }

    /// Stops reading those whose topic has another id now.
    pub(super) fn halt_recreated(&mut self, ids: &Ids) -> Recreated {
        let mut recreated = Recreated::default();
        for holding in self.holdings.values_mut() {
            match holding.look(ids) {
                Look::Same => {}
                Look::BegunAnew => recreated.begun_anew.push(holding.partition.clone()),
                Look::Recreated => {
                    recreated.halted.push(holding.partition.clone());
                    if !holding.halted {
                        holding.halt();
                        recreated.newly.push(holding.partition.clone());
                    }
                }
            }
        }
        recreated
    }

    /// Reads a partition again that was stopped, as that of another topic; whether it is still ours.
    pub(super) fn restart(&mut self, partition: &Partition, topic: Option<TopicId>, identity: Identity) -> bool {
        let holding = self.holdings.get_mut(partition).filter(|holding| holding.halted && !holding.revoked);
        holding.map(|holding| holding.restart(topic, identity)).is_some()
    }

    /// What the commits of a partition are written for; unknown where it is not ours.
    pub(super) fn identity(&self, partition: &Partition) -> Identity {
        self.holdings.get(partition).map(|holding| holding.identity).unwrap_or_default()
    }

    /// A partition was found to end there; whether that is still so of the one that is ours.
    pub(super) fn reach(&mut self, end: &End) -> bool {
        self.holdings.get_mut(&end.of.partition).is_some_and(|holding| holding.reach(end))
    }

    /// The flow wants records of it, or does not.
    pub(super) fn pause(&mut self, partition: &Partition, paused: bool) {
        if let Some(holding) = self.holdings.get_mut(partition) {
            holding.paused = paused;
        }
    }

    /// The group has committed it so far. What was not handed over was committed in an assignment before this one, and
    /// somebody has moved the group since.
    pub(super) fn committed(&mut self, partition: &Partition, offset: i64) {
        if let Some(holding) = self.holdings.get_mut(partition).filter(|holding| holding.may_commit(offset)) {
            holding.committed = Some(offset);
        }
    }

    /// Whether the partition is ours and was read that far. Kafka itself would take a commit of any member for any
    /// partition, and so move somebody else's position.
    pub(super) fn may_commit(&self, position: &CommitPosition) -> bool {
        self.holdings.get(&position.partition).is_some_and(|holding| holding.may_commit(position.offset))
    }

    /// What the next partition in turn has, within the balance; `None` where there is nothing.
    pub(super) fn take_in_turn(&mut self, balance: &mut Balance) -> Option<(Partition, Taken)> {
        let take = |holding: &mut Holding| {
            let taken = holding.take(balance);
            let is_something = taken.begins_anew || !taken.records.is_empty();
            is_something.then(|| (holding.partition.clone(), taken))
        };
        first_in_turn(&mut self.holdings, &mut self.last, take)
    }
}

/// The first that has something, beginning behind the one that had it last: so nobody starves.
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
    fn a_repeat_of_librdkafka_is_told_from_a_log_that_begins_anew() {
        let far = || Some(1_000_000);
        assert_eq!(place(7, None, far), Place::Next);
        assert_eq!(place(7, Some(7), far), Place::Next);
        assert_eq!(place(9, Some(7), far), Place::Next, "gaps are what compaction and transactions leave");
        assert_eq!(place(6, Some(7), far), Place::Repeat);
        assert_eq!(place(0, Some(256), far), Place::Repeat);
        assert_eq!(place(0, Some(257), far), Place::Anew);
        assert_eq!(place(0, Some(7), || Some(3)), Place::Anew, "the log ends before what was read");
    }

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
