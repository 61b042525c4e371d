//! The delivery rules alone, without brokers and guests: what they cost for each message, by keys, by length of the run,
//! and when all attempts fail at first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::action::{Action, Ask};
use cofferdam_core::event::{Assignment, DeliveryId, Ended, Event, HandlerId, Partition};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::machine::Machine;
use cofferdam_core::message::{Header, Headers, Position, Record};
use cofferdam_core::outcome::{Class, Outcome};
use cofferdam_core::output::{Destination, Publication};
use cofferdam_core::route::{Bounds, Route};
use cofferdam_core::time::Time;
use cofferdam_guarantees::simulation;

use crate::report::{Bound, Report};
use crate::{Effort, load, process};

/// Records that come together.
const BATCH: u32 = 500;
const RATE: &str = "messages/s on one core";

/// Names in the figures: keys, messages, failures before an attempt succeeds.
const COURSES: [(&str, u32, u32, u32); 5] = [
    ("1 key", 1, 200_000, 0),
    ("100 keys", 100, 200_000, 0),
    ("10,000 keys", 10_000, 200_000, 0),
    ("10,000 keys, 8 times as many messages", 10_000, 1_600_000, 0),
    ("10,000 keys, two failures each", 10_000, 200_000, 2),
];

/// Measures all courses.
pub(crate) fn measure(effort: Effort) -> anyhow::Result<Report> {
    let work = "Records of 1 KiB with 4 headers in batches of 500; each is handed out, ends with one output, which is \
                durable at once; commits are confirmed at once. Processor time of the one thread, all events and actions \
                included, the making of records and outputs not.";
    let mut report = Report::new("machine", work);
    for _ in 0..effort.rounds {
        for (name, keys, messages, failures) in COURSES {
            let messages = effort.of(messages).next_multiple_of(BATCH);
            let seconds = Course::new(keys, messages, failures).pass();
            report.add(name, RATE, f64::from(messages) / seconds);
        }
    }
    let [(one, ..), (hundred, ..), (many, ..), (long, ..), _] = COURSES;
    for name in [one, hundred, many] {
        report.goal(RATE, name, None, Bound::AtLeast(2e6));
    }
    report.goal(RATE, many, Some(one), Bound::AtLeast(0.8));
    report.goal(RATE, long, Some(many), Bound::AtLeast(0.9));
    Ok(report)
}

/// A world in which everything is at hand.
struct Course {
    machine: Machine,
    now: Time,
    source: Arc<str>,
    payload: Bytes,
    destination: Destination,
    handler: Arc<HandlerId>,
    keys: u32,
    total: u32,
    failures: u32,
    /// Records that were made so far.
    made: u32,
    settled: u32,
    granted: u64,
    /// How attempts end well.
    #[expect(clippy::vec_box, reason = "an event has it so")]
    ends: Vec<Box<Ended>>,
    handles: VecDeque<DeliveryId>,
    publications: VecDeque<(DeliveryId, u32)>,
    commits: VecDeque<Vec<CommitPosition>>,
}

impl Course {
    fn new(keys: u32, total: u32, failures: u32) -> Self {
        let bounds = Bounds { messages: 10_000, bytes: 64 << 20 };
        let route = Route { concurrency: 1_000, bounds, ..simulation::route() };
        Self {
            machine: Machine::new(Arc::new(route), 1),
            now: Time::from_millis(1_795_237_296_000),
            source: "orders".into(),
            payload: Bytes::from(vec![7; 1_024]),
            destination: simulation::topic("out"),
            handler: Arc::new(HandlerId { name: "echo".into(), digest: "0".into() }),
            keys,
            total,
            failures,
            made: 0,
            settled: 0,
            granted: 0,
            ends: Vec::new(),
            handles: VecDeque::new(),
            publications: VecDeque::new(),
            commits: VecDeque::new(),
        }
    }

    /// Seconds of processor time until all is settled, without that in which records and outputs are made.
    fn pass(&mut self) -> f64 {
        let partition = Partition { topic: Arc::clone(&self.source), number: 0 };
        let mut since = process::thread_time();
        let mut spent = Duration::ZERO;
        self.tell(Event::Assigned(vec![Assignment::new(partition.clone())]));
        while self.settled < self.total {
            if self.granted >= u64::from(BATCH) && self.made < self.total {
                spent += process::thread_time() - since;
                let records = self.batch();
                since = process::thread_time();
                self.tell(Event::Records { partition: partition.clone(), records });
            } else if let Some(positions) = self.commits.pop_front() {
                self.tell(Event::Committed(positions));
            } else if let Some(id) = self.handles.pop_front() {
                let ended = self.ending(id);
                self.tell(Event::Ended(id, ended));
            } else if let Some((delivery, index)) = self.publications.pop_front() {
                self.tell(Event::Durable { delivery, index });
            } else {
                let due = self.machine.next_wake().expect("something is due while not all is settled");
                self.now = due.max(self.now);
                self.tell(Event::Due);
            }
        }
        (spent + (process::thread_time() - since)).as_secs_f64()
    }

    /// The next records, and how their attempts will end.
    fn batch(&mut self) -> Vec<Record> {
        let numbers = self.made..self.made + BATCH;
        (self.made, self.granted) = (numbers.end, self.granted - u64::from(BATCH));
        let well = |number| ended(Outcome::Done(vec![self.publication(number)]), &self.handler);
        let ends: Vec<_> = numbers.clone().map(well).collect();
        self.ends.extend(ends);
        numbers.map(|number| self.record(number)).collect()
    }

    fn record(&self, number: u32) -> Record {
        Record {
            source: Arc::clone(&self.source),
            position: Position::Offset { partition: 0, offset: i64::from(number) },
            key: Some(load::key(number, self.keys).into()),
            headers: headers(),
            payload: Some(self.payload.clone()),
            timestamp_ms: Some(1),
        }
    }

    fn publication(&self, number: u32) -> Publication {
        Publication {
            destination: self.destination.clone(),
            key: Some(load::key(number, self.keys).into()),
            headers: headers(),
            payload: Some(self.payload.clone()),
            timestamp_ms: None,
            group: None,
            deduplication: None,
        }
    }

    fn ending(&mut self, id: DeliveryId) -> Box<Ended> {
        let attempt = self.machine.delivery(id).map_or(1, |delivery| delivery.attempt());
        if attempt <= self.failures {
            return ended(simulation::failure(Class::Retryable).into(), &self.handler);
        }
        self.ends.pop().expect("each message ends well once")
    }

    fn tell(&mut self, event: Event) {
        self.machine.handle(event, self.now);
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Handle(id) => self.handles.push_back(id),
                Action::Publish { delivery, index } => self.publications.push_back((delivery, index)),
                Action::Ask(Ask::Grant { messages, .. }) => self.granted += u64::from(messages),
                Action::Ask(Ask::Commit(positions)) => self.commits.push_back(positions),
                Action::Settled { .. } => self.settled += 1,
                _ => {}
            }
        }
    }
}

fn ended(outcome: Outcome<Vec<Publication>>, handler: &Arc<HandlerId>) -> Box<Ended> {
    let handler = Some(Arc::clone(handler));
    Box::new(Ended { handler, ..Ended::new(outcome) })
}

fn headers() -> Headers {
    load::HEADERS.map(|(name, value)| Header::bytes(name, value.as_bytes())).into()
}
