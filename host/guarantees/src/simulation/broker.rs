//! A broker with one topic, its group, and the client by which a host reads it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::event::{Assignment, DeliveryId, Event, Found};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::message::{self, Headers, Record};
use cofferdam_core::progress::{Identity, Progress, Resumption, resume};
use cofferdam_core::time::Time;

use super::{Allowance, partition};

/// The topic and what the group has committed of it.
#[derive(Debug, Default)]
pub struct Broker {
    /// By number of the partition.
    pub logs: BTreeMap<i32, Log>,
    assignments: u32,
}

/// One partition.
#[derive(Debug, Default)]
pub struct Log {
    /// All records, in the order of their offsets.
    pub records: Vec<Record>,
    /// Offset of the next record written.
    pub end: i64,
    /// What the group has committed: the next offset to read.
    pub committed: i64,
    /// What came with that commit.
    pub metadata: Box<str>,
    /// The offset that a host has committed last, before anybody moved it.
    pub(super) written_for: Option<i64>,
    /// How often the topic was deleted and created again.
    pub(super) topic: u32,
    /// Records of the topics before.
    deleted: Vec<Vec<Record>>,
    /// The assignment that may commit.
    owner: Option<u32>,
}

/// A commit that was asked for, and the assignment that it is for.
pub(super) type Asked = (CommitPosition, u32);

/// A host's own view of the partitions that it has. The group may have given one to somebody else already.
#[derive(Debug, Default)]
pub struct Client {
    /// By number of the partition.
    pub holds: BTreeMap<i32, Hold>,
    /// The commit that was asked for and not answered, with the assignments that it is for.
    pub(super) asked: Option<Vec<Asked>>,
    /// What goes with it, if it is a transaction.
    pub(super) transaction: Option<Vec<DeliveryId>>,
    /// The broker has the offsets of the transaction, and commits them whoever has the partitions by then.
    pub(super) staged: bool,
    /// The broker is done with the transaction, and its answer was lost.
    pub(super) unanswered: bool,
    /// The last end that was found of each partition: of which topic of its name, and between which offsets.
    ends: BTreeMap<i32, (u32, Option<i64>, i64)>,
}

/// A host's hold on a partition.
#[derive(Debug)]
pub struct Hold {
    /// Which assignment it is.
    assignment: u32,
    /// Which topic of this name it is.
    pub(super) topic: u32,
    /// Index of the next record to hand over.
    next: usize,
    /// The end that the machine was told of last.
    reached: i64,
    /// An end that was found for an assignment before has come, if there was one.
    late_end: bool,
    /// Offset behind the last commit that was confirmed to the machine.
    confirmed: i64,
    /// The machine wants no more for now.
    pub paused: bool,
    /// The group wants the partition back.
    pub revoked: bool,
    /// Until when the host may wait before it gives the partition up, by its own clock.
    pub(super) until: Option<Time>,
    /// What the client had fetched before it was revoked has come.
    late: bool,
    /// What was finished above the commit point when it was assigned.
    finished: Vec<Range<i64>>,
    /// What the last confirmed commit says is finished above it.
    known: Vec<Range<i64>>,
}

/// What facts call the topic after it was created again so often.
pub(super) fn topic_name(topic: u32) -> Arc<str> {
    if topic == 0 { "t".into() } else { format!("t#{topic}").into() }
}

impl Hold {
    /// Whether it is of this assignment.
    pub(super) fn is(&self, assignment: u32) -> bool {
        self.assignment == assignment
    }

    /// Whether the record was finished before the assignment.
    pub(super) fn is_finished(&self, record: &Record) -> bool {
        self.finished.iter().any(|run| run.contains(&offset(record)))
    }
}

/// The offset of a record of a topic.
pub(super) fn offset(record: &Record) -> i64 {
    match record.position {
        message::Position::Offset { offset, .. } => offset,
        message::Position::MessageId(_) => unreachable!("a record of a topic"),
    }
}

impl Log {
    fn index_of(&self, offset_wanted: i64) -> usize {
        self.records.partition_point(|record| offset(record) < offset_wanted)
    }

    /// Records of one of the topics that have had this name.
    fn of_topic(&self, topic: u32) -> &[Record] {
        self.deleted.get(topic as usize).unwrap_or(&self.records)
    }

    /// Where a new owner of the partition of this number would go on.
    fn resume(&self, number: i32) -> (Identity, Resumption) {
        let id = [u8::try_from(self.topic + 1).expect("few topics"); 16];
        let identity = Identity::new(&partition(number), Some("c"), Some(&id));
        (identity, resume(Some(self.committed), Some(&self.metadata), identity))
    }

    /// Records that a new owner of the partition of this number would begin with.
    pub fn outstanding(&self, number: i32) -> &[Record] {
        &self.records[self.index_of(self.resume(number).1.from.unwrap_or_default())..]
    }
}

impl Broker {
    /// Writes a record of `size` bytes, and returns it. An empty key stands for none.
    pub(super) fn produce(&mut self, number: i32, key: &str, size: usize, headers: Headers) -> Record {
        let log = self.logs.entry(number).or_default();
        let record = Record {
            source: topic_name(log.topic),
            position: message::Position::Offset { partition: number, offset: log.end },
            key: (!key.is_empty()).then(|| Bytes::from(key.to_owned())),
            headers,
            payload: Some(vec![b'x'; size].into()),
            timestamp_ms: Some(5),
        };
        log.end += 1;
        log.records.push(record.clone());
        record
    }

    /// Leaves out offsets, as compaction and transactions do.
    pub fn skip(&mut self, number: i32, offsets: i64) {
        self.logs.entry(number).or_default().end += offsets;
    }

    /// The group gives the partition to somebody, whoever had it before. Returns what the new owner starts with.
    pub(super) fn assign(&mut self, number: i32) -> (Hold, Assignment) {
        self.assignments += 1;
        let log = self.logs.entry(number).or_default();
        log.owner = Some(self.assignments);
        let (identity, Resumption { from, progress, .. }) = log.resume(number);
        let confirmed = from.unwrap_or_default();
        let next = log.index_of(confirmed);
        let (assignment, topic, finished) = (self.assignments, log.topic, progress.finished);
        let known = finished.clone();
        let (paused, revoked, late, late_end) = (false, false, false, false);
        let reached = confirmed;
        let hold = Hold {
            assignment,
            topic,
            next,
            reached,
            late_end,
            confirmed,
            paused,
            revoked,
            until: None,
            late,
            finished,
            known,
        };
        let metadata = Some(log.metadata.clone()).filter(|metadata| !metadata.is_empty());
        let committed = Some(log.committed);
        (hold, Assignment { partition: partition(number), identity, committed, metadata })
    }

    /// Somebody moves the group's offset and leaves the metadata as it is.
    pub(super) fn move_to(&mut self, number: i32, offset: i64) {
        self.logs.entry(number).or_default().committed = offset;
    }

    /// The topic is deleted, with the group's offsets, and created again under the same name.
    pub(super) fn recreate(&mut self, number: i32) {
        let log = self.logs.entry(number).or_default();
        log.deleted.push(std::mem::take(&mut log.records));
        log.topic += 1;
        (log.end, log.committed, log.metadata, log.written_for) = (0, 0, "".into(), None);
    }

    /// Whether the topic of this hold is there no more.
    pub(super) fn is_deleted(&self, number: i32, hold: &Hold) -> bool {
        self.logs.get(&number).is_some_and(|log| log.topic != hold.topic)
    }

    /// The group takes the partition back; who had it may not know.
    pub(super) fn evict(&mut self, number: i32) {
        self.logs.entry(number).or_default().owner = None;
    }

    /// Whether this hold is the one that counts.
    pub(super) fn is_owner(&self, number: i32, hold: &Hold) -> bool {
        self.logs.get(&number).is_some_and(|log| log.owner == Some(hold.assignment))
    }

    /// Whether nobody has the partition.
    pub(super) fn is_free(&self, number: i32) -> bool {
        self.logs.get(&number).is_none_or(|log| log.owner.is_none())
    }

    /// Takes a commit, if it comes from the owner.
    pub(super) fn take(&mut self, position: &CommitPosition, assignment: u32) -> bool {
        let Some(log) = self.logs.get_mut(&position.partition.number) else { return false };
        let ours = log.owner == Some(assignment);
        if ours {
            (log.committed, log.written_for) = (position.offset, Some(position.offset));
            log.metadata.clone_from(&position.metadata);
        }
        ours
    }

    /// Takes an offset of a transaction that it had before the partition was taken from its owner.
    pub(super) fn take_staged(&mut self, position: &CommitPosition) {
        let Some(log) = self.logs.get_mut(&position.partition.number) else { return };
        (log.committed, log.written_for) = (position.offset, Some(position.offset));
        log.metadata.clone_from(&position.metadata);
    }

    /// Whether the group has committed all there is.
    pub fn is_finished(&self) -> bool {
        self.logs.iter().all(|(number, log)| log.outstanding(*number).is_empty())
    }
}

impl Client {
    pub(super) fn hold(&mut self, number: i32) -> Option<&mut Hold> {
        self.holds.get_mut(&number)
    }

    pub(super) fn pause(&mut self, number: i32, paused: bool) {
        let hold = self.hold(number).expect("only what is ours is paused or resumed");
        assert_ne!(hold.paused, paused, "told once");
        hold.paused = paused;
    }

    /// Hands over what may be handed over of a partition. What the client had fetched before the partition was
    /// revoked still comes, and is not `wanted`. One that was evicted without knowing gets nothing new.
    pub(super) fn fetch(
        &mut self,
        number: i32,
        broker: &Broker,
        allowance: &mut Allowance,
        wanted: bool,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        let Some(hold) = self.holds.get_mut(&number).filter(|hold| !hold.paused) else { return records };
        if !broker.is_owner(number, hold) || broker.is_deleted(number, hold) || hold.late {
            return records;
        }
        hold.late = !wanted;
        let log = &broker.logs[&number];
        while let Some(record) = log.records.get(hold.next + records.len()).filter(|_| allowance.is_left()) {
            allowance.take(record);
            records.push(record.clone());
        }
        if wanted {
            hold.next += records.len();
        }
        records
    }

    /// The end of a partition, where all records are handed over, there is more behind the last, and nobody was told.
    pub(super) fn end(&mut self, number: i32, broker: &Broker) -> Option<Event> {
        let hold = self.holds.get_mut(&number).filter(|hold| !hold.paused && !hold.revoked)?;
        if !broker.is_owner(number, hold) || broker.is_deleted(number, hold) {
            return None;
        }
        let log = &broker.logs[&number];
        let behind = log.records[..hold.next].last().map_or(0, |record| offset(record) + 1).max(hold.reached);
        if hold.next < log.records.len() || log.end <= behind {
            return None;
        }
        hold.reached = log.end;
        let from = (behind > 0).then_some(behind);
        self.ends.insert(number, (hold.topic, from, log.end));
        Some(Event::Reached { partition: partition(number), from, offset: log.end })
    }

    /// An end of a partition that was found for an assignment before, and is told now.
    pub(super) fn late_end(&mut self, number: i32, broker: &Broker) -> Option<Event> {
        let hold = self.holds.get_mut(&number).filter(|hold| !hold.late_end && !hold.revoked)?;
        hold.late_end = true;
        let (topic, from, offset) = self.ends.get(&number).copied()?;
        let is_of_it = topic == hold.topic && broker.is_owner(number, hold) && !broker.is_deleted(number, hold);
        is_of_it.then(|| Event::Reached { partition: partition(number), from, offset })
    }

    pub(super) fn ask(&mut self, positions: Vec<CommitPosition>) {
        assert!(self.asked.is_none(), "one commit at a time");
        // One that was lost meanwhile has nobody who may commit it.
        let of = |position: CommitPosition| {
            let hold = self.holds.get(&position.partition.number).expect("a commit for what is ours");
            (position, hold.assignment)
        };
        self.asked = Some(positions.into_iter().map(of).collect());
    }

    /// The commit that is with the broker comes to its end: `taken` if the broker could be reached, `told` if its answer
    /// comes back. A partition that is not ours any more is refused, and the answer is about all together: the broker
    /// may have taken what it does not confirm.
    pub(super) fn answer(
        &mut self,
        broker: &mut Broker,
        taken: bool,
        told: bool,
    ) -> Option<(Vec<CommitPosition>, bool)> {
        let asked = self.asked.take()?;
        let mut well = told;
        for (position, assignment) in &asked {
            well &= taken && broker.take(position, *assignment);
        }
        if well {
            asked.iter().for_each(|(position, assignment)| self.confirm(position, *assignment));
        }
        Some((positions(asked), well))
    }

    /// The broker has confirmed this, of an assignment that may be over.
    pub(super) fn confirm(&mut self, position: &CommitPosition, assignment: u32) {
        let hold = self.hold(position.partition.number).filter(|hold| hold.assignment == assignment);
        if let Some(hold) = hold {
            hold.confirmed = position.offset;
            hold.known = Progress::decode(&position.metadata).map(|progress| progress.finished).unwrap_or_default();
        }
    }

    /// What the group has committed of these partitions.
    pub(super) fn found(positions: &[CommitPosition], broker: &Broker) -> Vec<Found> {
        let of = |position: &CommitPosition| {
            let log = broker.logs.get(&position.partition.number);
            Found {
                partition: position.partition.clone(),
                offset: log.map(|log| log.committed),
                metadata: log.map(|log| log.metadata.clone()).filter(|metadata| !metadata.is_empty()),
            }
        };
        positions.iter().map(of).collect()
    }

    /// Lets a partition go, to have it again from where the group is.
    pub(super) fn let_go(&mut self, number: i32, broker: &mut Broker) {
        let hold = self.holds.remove(&number).expect("only what is ours is read again");
        if broker.is_owner(number, &hold) {
            broker.evict(number);
        }
    }

    /// Whether the commit that is with the broker contains this partition.
    pub(super) fn is_asked(&self, number: i32) -> bool {
        self.asked.iter().flatten().any(|(position, _)| position.partition.number == number)
    }

    /// What a transaction that the broker has not ended contains of this partition.
    pub(super) fn in_transaction(&self, number: i32) -> Option<&Asked> {
        let is_open = self.transaction.is_some() && !self.unanswered;
        let mut asked = self.asked.iter().flatten().filter(|_| is_open);
        asked.find(|(position, _)| position.partition.number == number)
    }

    /// Whether all that is with the broker is about partitions that are still this client's.
    pub(super) fn is_current(&self, broker: &Broker) -> bool {
        let owns = |(position, assignment): &Asked| {
            broker.logs.get(&position.partition.number).is_some_and(|log| log.owner == Some(*assignment))
        };
        self.asked.iter().flatten().all(owns)
    }

    /// Lets a partition go that the group wants back. Returns whether the broker has taken the commit.
    pub(super) fn give_up(
        &mut self,
        number: i32,
        commit: Option<&CommitPosition>,
        broker: &mut Broker,
        reachable: bool,
    ) -> bool {
        let hold = self.holds.remove(&number).expect("given up once");
        assert!(hold.revoked, "given up because the group wants it back");
        let taken = commit.is_some_and(|position| reachable && broker.take(position, hold.assignment));
        if broker.is_owner(number, &hold) {
            broker.evict(number);
        }
        taken
    }

    /// Records handed over of which no confirmed commit says that they are finished.
    pub(super) fn uncovered(&self, broker: &Broker) -> usize {
        let of = |(number, hold): (&i32, &Hold)| {
            let records = broker.logs[number].of_topic(hold.topic);
            let from = records.partition_point(|record| offset(record) < hold.confirmed);
            let handed = records.get(from..hold.next).unwrap_or_default();
            let is_known = |record: &&Record| hold.known.iter().any(|run| run.contains(&offset(record)));
            handed.iter().filter(|record| !is_known(record)).count()
        };
        self.holds.iter().map(of).sum()
    }
}

/// What was asked for, whoever may commit it.
pub(super) fn positions(asked: Vec<Asked>) -> Vec<CommitPosition> {
    asked.into_iter().map(|(position, _)| position).collect()
}
