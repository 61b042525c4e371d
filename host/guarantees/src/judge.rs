//! Reads a history fact by fact, and says which promises it keeps.
//!
//! The judge is a second opinion: it shares no code with the core, knows nothing of machines or drivers, and believes a
//! host only where an acknowledgement says so. Its memory is about 300 bytes for each record, whatever happens to it.
//!
//! Facts come in the order of their time. Where clocks of producers cannot be trusted that far, all
//! [`What::Produced`] may come first: what counts of them is their order in each lane.

mod attempts;
mod effects;
mod lane;
mod meddling;
mod ownership;
mod partition;
mod pause;
mod quiet;
mod record;
mod redrive;
mod settlement;
mod verdict;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cofferdam_core::time::Time;

use crate::{Fact, Limit, Promise, Report, Terms, Violation, What};
use lane::Lane;
use partition::Partition;
use record::{Number, Record};

/// Judges one history of one route.
#[derive(Debug)]
pub struct Judge {
    terms: Terms,
    index: HashMap<Arc<str>, Number>,
    records: Vec<Record>,
    lane_index: HashMap<Box<str>, u32>,
    lanes: Vec<Lane>,
    partition_index: HashMap<Box<str>, u32>,
    partitions: Vec<Partition>,
    hosts: HashMap<u32, Host>,
    event_index: HashMap<Box<str>, u32>,
    /// Of each event, whether a record that carries it was handled.
    events: Vec<bool>,
    /// An independent reader has spoken.
    read: bool,
    /// The time of the newest fact.
    now: Time,
    /// The world is well since then.
    calm: Option<Time>,
    report: Report,
    first: Option<Violation>,
}

/// What is known of one process.
#[derive(Debug, Default)]
struct Host {
    /// Records of which it has a receipt.
    records: BTreeSet<Number>,
    /// Receipts that it has by right.
    in_flight: u64,
    /// The partition of the commit that it asked for last, where nothing else has happened to it since.
    said: Option<u32>,
    /// It was told to stop.
    draining: bool,
    /// It is paused, and so many attempts that it was asked for have not started.
    paused: Option<u32>,
}

/// What a violation is said of: the fact that is looked at.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    fact: &'a Fact,
}

impl Judge {
    /// A judge of a history under these terms.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            index: HashMap::new(),
            records: Vec::new(),
            lane_index: HashMap::new(),
            lanes: Vec::new(),
            partition_index: HashMap::new(),
            partitions: Vec::new(),
            hosts: HashMap::new(),
            event_index: HashMap::new(),
            events: Vec::new(),
            read: false,
            now: Time::default(),
            calm: None,
            report: Report::default(),
            first: None,
        }
    }

    /// Records have to come to their end within this limit.
    pub(crate) fn limit(&mut self, limit: Limit) {
        self.terms.limit = Some(limit);
    }

    /// Takes in what happened next.
    pub fn take(&mut self, fact: &Fact) {
        self.report.figures.facts += 1;
        let (case, host) = (Case { fact }, fact.host);
        self.now = fact.at;
        if !matches!(fact.what, What::Commits { .. } | What::Committed { .. } | What::GaveUp { .. })
            && let Some(host) = self.hosts.get_mut(&host)
        {
            host.said = None;
        }
        match &fact.what {
            What::Produced { record, lane, event_id } => self.produced(record, lane.as_deref(), event_id.as_deref()),
            What::TopicDeleted { partition } => self.topic_deleted(partition),
            What::Moved { partition, offset } => self.moved(partition, *offset),
            What::Killed => self.killed(host),
            What::Calm => self.calm = Some(self.now),
            What::Found { record, effect } => self.found(case, record, *effect),
            What::Outstanding { record } => {
                if let Some(number) = self.number(case, record) {
                    self.records[number as usize].outstanding = true;
                }
            }
            What::Quiet => self.quiet(case),
            What::Started => {}
            What::Assigned { partitions } => partitions.iter().for_each(|name| self.assigned(host, name)),
            What::GaveUp { partitions } => partitions.iter().for_each(|name| self.gave_up(case, host, name)),
            What::Lost { partitions } => partitions.iter().for_each(|name| self.lost(host, name)),
            What::Received { records } => records.iter().for_each(|record| self.received(case, host, record)),
            What::Handling { record, attempt } => self.handling(case, host, record, *attempt),
            What::Handled { record, attempt, outcome, outputs } => {
                self.handled(case, host, record, (*attempt, *outcome, *outputs));
            }
            What::Suppressed { record, attempt } => self.suppressed(case, host, record, *attempt),
            What::Discarded { record, attempt } => self.discarded(case, host, record, *attempt),
            What::Durable { record, effect } => self.durable(case, host, record, *effect),
            What::Late { record, effect } => self.late(case, record, *effect),
            What::Refused { record, effect } => self.refused(case, host, record, *effect),
            What::Settled { record, fate } => self.settled(case, host, record, *fate),
            What::Commits { partition, offset, finished, attempts } => {
                self.commits(case, host, partition, (*offset, finished, attempts));
            }
            What::Committed { partition, offset } => self.committed(case, host, partition, *offset),
            What::Deletes { record } => self.deletes(case, host, record),
            What::Deleted { record } => self.deleted(case, record),
            What::LeaseLost { record } => self.lease_lost(case, host, record),
            What::Draining => {
                let host = self.hosts.entry(host).or_default();
                (host.draining, host.paused) = (true, None);
            }
            What::Paused => self.paused(host),
            What::Resumed => self.hosts.entry(host).or_default().paused = None,
            What::TriesOne => self.tries_one(host),
            What::Redriven { record } => self.redriven(case, record),
            What::Stopped => self.stopped(case, host),
        }
    }

    /// The first promise that was broken so far, if any was.
    pub fn first_violation(&self) -> Option<&Violation> {
        self.first.as_ref()
    }

    fn produced(&mut self, id: &str, lane: Option<&str>, event: Option<&str>) {
        let number = Number::try_from(self.records.len()).expect("fewer than four billion records");
        let id: Arc<str> = id.into();
        let lane = lane.map(|lane| {
            let next = u32::try_from(self.lanes.len()).expect("no more lanes than records");
            let lane = *self.lane_index.entry(lane.into()).or_insert(next);
            if lane == next {
                self.lanes.push(Lane::default());
            }
            self.lanes[lane as usize].ahead.insert(number);
            lane
        });
        let place = offset_in(&id).map(|(partition, offset)| {
            let partition = self.partition(partition);
            self.partitions[partition as usize].open.insert(offset, number);
            (partition, offset)
        });
        self.report.figures.records += 1;
        self.index.insert(Arc::clone(&id), number);
        let mut record = Record::new(id, lane, place);
        record.produced = self.now;
        record.event = event.map(|event| {
            let next = u32::try_from(self.events.len()).expect("no more events than records");
            let event = *self.event_index.entry(event.into()).or_insert(next);
            if event == next {
                self.events.push(false);
            }
            event
        });
        self.records.push(record);
    }

    /// The number of a partition, known from now on.
    fn partition(&mut self, name: &str) -> u32 {
        if let Some(number) = self.partition_index.get(name) {
            return *number;
        }
        let number = u32::try_from(self.partitions.len()).expect("no more partitions than records");
        self.partitions.push(Partition::default());
        self.partition_index.insert(name.into(), number);
        number
    }

    /// The number of a record. One that nobody has produced is an invention.
    fn number(&mut self, case: Case<'_>, id: &str) -> Option<Number> {
        let number = self.index.get(id).copied();
        if number.is_none() {
            self.broken(case, Promise::OneEnd, id, "it was never produced");
        }
        number
    }

    fn checked(&mut self, promise: Promise) {
        self.report.of_mut(promise).checked += 1;
    }

    fn broken(&mut self, case: Case<'_>, promise: Promise, record: &str, text: impl Into<String>) {
        let record = Some(record).filter(|record| !record.is_empty()).map(Into::into);
        self.violated(Violation { promise, record, text: text.into(), fact: Some(case.fact.clone()) });
    }

    /// Somebody else has seen a promise broken.
    pub(crate) fn object(&mut self, promise: Promise, text: String) {
        self.violated(Violation { promise, record: None, text, fact: None });
    }

    fn violated(&mut self, violation: Violation) {
        self.first.get_or_insert_with(|| violation.clone());
        self.report.of_mut(violation.promise).note(violation);
    }

    /// Checks something about a record; `wrong` says what is not as it should be.
    fn check(&mut self, case: Case<'_>, promise: Promise, number: Number, wrong: Option<impl Into<String>>) {
        self.checked(promise);
        if let Some(text) = wrong {
            let id = Arc::clone(&self.records[number as usize].id);
            self.broken(case, promise, &id, text);
        }
    }

    /// Those behind the record in its lane may run.
    fn let_pass(&mut self, number: Number) {
        if let Some(lane) = self.records[number as usize].lane {
            self.lanes[lane as usize].ahead.remove(&number);
        }
    }
}

/// Partition and offset in the id of a record, if it is of a topic.
fn offset_in(id: &str) -> Option<(&str, i64)> {
    let (partition, offset) = id.rsplit_once('/')?;
    Some((partition, offset.parse().ok()?))
}
