//! A broker with one topic, and the consumer that reads it for the machine.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Allowance;
use cofferdam_core::action::Position;
use cofferdam_core::event::{Event, Partition};
use cofferdam_core::message::{self, Header, Record};

#[derive(Debug, Default)]
pub struct Broker {
    pub logs: BTreeMap<i32, Log>,
    /// The commit that was asked for and not answered, with the assignments that it is for.
    asked: Option<Vec<(Position, u32)>>,
    assignments: u32,
}

#[derive(Debug, Default)]
pub struct Log {
    pub records: Vec<Record>,
    /// Offset of the next record written.
    pub end: i64,
    /// What the group has committed: the next offset to read.
    pub committed: i64,
    pub consumer: Option<Consumer>,
}

/// Our hold on a partition.
#[derive(Debug)]
pub struct Consumer {
    /// Which assignment it is.
    number: u32,
    /// Index of the next record to hand over.
    next: usize,
    /// Offset behind the last commit that was confirmed to the machine.
    confirmed: i64,
    pub paused: bool,
    /// The group wants the partition back.
    pub revoked: bool,
}

pub fn offset(record: &Record) -> i64 {
    match record.position {
        message::Position::Offset { offset, .. } => offset,
        message::Position::MessageId(_) => unreachable!("a record of a topic"),
    }
}

impl Log {
    fn index_of(&self, offset_wanted: i64) -> usize {
        self.records.partition_point(|record| offset(record) < offset_wanted)
    }
}

impl Broker {
    /// Writes a record of `size` bytes, and returns its id. An empty key stands for none.
    pub fn produce(&mut self, number: i32, key: &str, size: usize) -> String {
        let log = self.logs.entry(number).or_default();
        let record = Record {
            source: "t".into(),
            position: message::Position::Offset { partition: number, offset: log.end },
            key: (!key.is_empty()).then(|| Bytes::from(key.to_owned())),
            headers: vec![Header { name: "n".into(), value: None, kind: message::Kind::Bytes }],
            payload: Some(vec![b'x'; size].into()),
            timestamp_ms: Some(5),
        };
        log.end += 1;
        let id = record.id();
        log.records.push(record);
        id
    }

    /// Leaves out offsets, as compaction and transactions do.
    pub fn skip(&mut self, number: i32, offsets: i64) {
        self.logs.entry(number).or_default().end += offsets;
    }

    pub fn assign(&mut self, number: i32) {
        self.assignments += 1;
        let log = self.logs.entry(number).or_default();
        let (number, next) = (self.assignments, log.index_of(log.committed));
        log.consumer = Some(Consumer { number, next, confirmed: log.committed, paused: false, revoked: false });
    }

    pub fn revoke(&mut self, number: i32) {
        if let Some(consumer) = self.consumer(number) {
            consumer.revoked = true;
        }
    }

    pub fn lose(&mut self, number: i32) {
        self.logs.entry(number).or_default().consumer = None;
    }

    pub fn forget_consumer(&mut self) {
        self.asked = None;
        self.logs.values_mut().for_each(|log| log.consumer = None);
    }

    pub fn consumer(&mut self, number: i32) -> Option<&mut Consumer> {
        self.logs.get_mut(&number)?.consumer.as_mut()
    }

    pub fn pause(&mut self, partition: &Partition, paused: bool) {
        let consumer = self.consumer(partition.number).expect("only what is ours is paused or resumed");
        assert_ne!(consumer.paused, paused, "told once");
        consumer.paused = paused;
    }

    /// Whether the machine takes what is handed over of this partition.
    pub fn wants(&self, number: i32) -> bool {
        self.logs.get(&number).and_then(|log| log.consumer.as_ref()).is_some_and(|consumer| !consumer.revoked)
    }

    /// Hands over what may be handed over of a partition. What the client had fetched before the partition was
    /// revoked still comes, and is not `wanted`.
    pub fn fetch(&mut self, number: i32, allowance: &mut Allowance, wanted: bool) -> Vec<Record> {
        let mut records = Vec::new();
        let Some(log) = self.logs.get_mut(&number) else { return records };
        let Some(consumer) = log.consumer.as_mut().filter(|consumer| !consumer.paused) else { return records };
        while let Some(record) = log.records.get(consumer.next + records.len()).filter(|_| allowance.is_left()) {
            allowance.take(record);
            records.push(record.clone());
        }
        if wanted {
            consumer.next += records.len();
        }
        records
    }

    pub fn ask(&mut self, positions: Vec<Position>) {
        assert!(self.asked.is_none(), "one commit at a time");
        let of = |broker: &mut Self, number| broker.consumer(number).expect("a commit for what is ours").number;
        let positions = positions.into_iter().map(|position| (position.clone(), of(self, position.partition.number)));
        self.asked = Some(positions.collect());
    }

    /// Answers the commit that was asked for, `well` if the broker can be reached. A partition that is not ours any
    /// more is refused, and the answer is about all together: it may have taken what it does not confirm.
    pub fn answer(&mut self, well: bool) -> Option<Event> {
        let asked = self.asked.take()?;
        let ours: Vec<bool> =
            asked.iter().map(|(position, assignment)| well && self.take(position, *assignment)).collect();
        let positions: Vec<Position> = asked.into_iter().map(|(position, _)| position).collect();
        if ours.contains(&false) {
            return Some(Event::CommitFailed(positions));
        }
        for position in &positions {
            let consumer = self.consumer(position.partition.number).expect("taken for what is ours");
            consumer.confirmed = position.offset;
        }
        Some(Event::Committed(positions))
    }

    fn take(&mut self, position: &Position, assignment: u32) -> bool {
        let log = self.logs.get_mut(&position.partition.number).expect("a partition of the topic");
        let ours = log.consumer.as_ref().is_some_and(|consumer| consumer.number == assignment);
        if ours {
            log.committed = position.offset;
        }
        ours
    }

    pub fn give_up(&mut self, partition: &Partition, commit: Option<Position>) {
        let consumer = self.consumer(partition.number).expect("given up once");
        assert!(consumer.revoked, "given up because the group wants it back");
        let number = consumer.number;
        if let Some(position) = commit {
            assert!(self.take(&position, number));
        }
        self.lose(partition.number);
    }

    /// Records handed over that no confirmed commit covers, of the partitions that are ours.
    pub fn uncovered(&self) -> usize {
        let ours = self.logs.values().filter_map(|log| log.consumer.as_ref().map(|consumer| (log, consumer)));
        ours.map(|(log, consumer)| consumer.next.saturating_sub(log.index_of(consumer.confirmed))).sum()
    }

    /// Whether the group has committed all there is.
    pub fn is_finished(&self) -> bool {
        self.logs.values().all(|log| log.index_of(log.committed) == log.records.len())
    }
}
