//! The partitions that are ours, and what may be handed over of them.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ops::{Bound, ControlFlow};

use cofferdam_core::event::Partition;
use cofferdam_core::message::Record;
use metrics::Gauge;
use rdkafka::bindings::rd_kafka_message_errstr;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

use super::queue::{BATCH, Message, Queue};
use super::record::record;
use crate::kafka::journal::Journal;

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
    pub(super) paused: bool,
    /// Where the group will start to read; `None` where it has committed nothing.
    pub(super) committed: Option<i64>,
    pub(super) lag: Gauge,
    queue: Queue,
    /// The offset after the last one handed over.
    next: Option<i64>,
    /// The group wants it back: it is read no more.
    revoked: bool,
    /// The first record after the partition has begun anew; it waits until the flow has been told.
    anew: Option<Record>,
}

/// What a visit brought.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    /// What follows does not go on from there: the partition has to be given to the flow as a new one.
    pub(super) begins_anew: bool,
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
    pub(super) fn open(&self) -> bool {
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
    pub(super) fn new(partition: Partition, queue: Queue, committed: Option<i64>, lag: Gauge) -> Self {
        Self { partition, paused: false, committed, lag, queue, next: None, revoked: false, anew: None }
    }

    /// Stops reading it for good, and throws away what the flow does not have yet.
    pub(super) fn revoke(&mut self) {
        self.revoked = true;
        self.anew = None;
        self.queue.clear();
    }

    /// Where reading stands: the offset after the last one handed over, or what the group has committed.
    pub(super) fn position(&self) -> Option<i64> {
        self.next.max(self.committed)
    }

    /// Whether a commit of this offset can be meant: nobody has settled what was never handed over.
    pub(super) fn may_commit(&self, offset: i64) -> bool {
        self.position().is_some_and(|position| offset <= position)
    }

    /// Whether a record waits that was paid for already.
    pub(super) fn begins_anew(&self) -> bool {
        self.anew.is_some()
    }

    /// Looks into the queue at the next visit even if librdkafka has not said that there is something.
    pub(super) fn look_again(&self) {
        self.queue.look_again();
    }

    /// Takes up to [`BATCH`] records within the balance. `high` asks for the end of the log, where that is known.
    pub(super) fn take(
        &mut self,
        balance: &mut Balance,
        journal: &Journal,
        high: impl Fn(&Partition) -> Option<i64>,
    ) -> Taken {
        let mut taken = Taken::default();
        if self.paused || self.revoked {
            return taken;
        }
        taken.records.extend(self.anew.take());
        while taken.records.len() < BATCH && balance.open() {
            let Some(message) = self.queue.next(balance.room()) else { break };
            if message.native().err != RD_KAFKA_RESP_ERR_NO_ERROR {
                complain(&message, journal);
                continue;
            }
            let offset = message.native().offset;
            let place = place(offset, self.next, || high(&self.partition));
            if place == Place::Repeat {
                continue;
            }
            let record = record(message.native(), &self.partition.topic);
            balance.charge(&record);
            self.next = Some(offset + 1);
            if place == Place::Anew {
                self.anew = Some(record);
                self.committed = None;
                taken.begins_anew = true;
                break;
            }
            taken.records.push(record);
        }
        taken
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

fn complain(message: &Message<'_>, journal: &Journal) {
    let native = message.native();
    // SAFETY: the message is alive, and librdkafka gives a C string that lives as long, or null.
    let text = unsafe {
        let text = rd_kafka_message_errstr(native);
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    journal.error(&KafkaError::MessageConsumption(native.err.into()), &text);
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

    pub(super) fn get(&self, partition: &Partition) -> Option<&Holding> {
        self.holdings.get(partition)
    }

    pub(super) fn get_mut(&mut self, partition: &Partition) -> Option<&mut Holding> {
        self.holdings.get_mut(partition)
    }

    pub(super) fn remove(&mut self, partition: &Partition) -> Option<Holding> {
        self.holdings.remove(partition)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Holding> {
        self.holdings.values()
    }

    /// All of them, to be dropped.
    pub(super) fn take(&mut self) -> BTreeMap<Partition, Holding> {
        std::mem::take(&mut self.holdings)
    }

    /// Visits them in turn, beginning behind the last one that was served; breaking off means that this one was not.
    pub(super) fn visit(&mut self, visit: impl FnMut(&mut Holding) -> ControlFlow<()>) {
        in_turn(&mut self.holdings, &mut self.last, visit);
    }
}

/// So nobody starves: where there is enough for one only, the next round begins with the next one.
fn in_turn<K: Ord + Clone, V>(
    map: &mut BTreeMap<K, V>,
    last: &mut Option<K>,
    mut visit: impl FnMut(&mut V) -> ControlFlow<()>,
) {
    let from = last.clone();
    let behind: Bound<&K> = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    for (key, value) in map.range_mut::<K, _>((behind, Bound::Unbounded)) {
        if visit(value).is_break() {
            return;
        }
        *last = Some(key.clone());
    }
    let Some(from) = from else { return };
    for (key, value) in map.range_mut(..=from) {
        if visit(value).is_break() {
            return;
        }
        *last = Some(key.clone());
    }
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
    fn where_there_is_enough_for_one_only_each_has_its_turn() {
        let mut map: BTreeMap<u32, u32> = (0..3).map(|key| (key, 0)).collect();
        let mut last = None;
        for _ in 0..9 {
            let mut left = 1;
            in_turn(&mut map, &mut last, |visits| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                *visits += 1;
                ControlFlow::Continue(())
            });
        }
        assert_eq!(map.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    }
}
