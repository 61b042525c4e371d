//! Sees all that happens and checks the promises at every step.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::broker::{Broker, offset};
use cofferdam_core::Order;
use cofferdam_core::action::{Action, Ask, Fate, Next, Position};
use cofferdam_core::event::{DeliveryId, Refusal};
use cofferdam_core::machine::Machine;
use cofferdam_core::message::{self, Record};
use cofferdam_core::outcome::{Class, Outcome};
use cofferdam_core::output::Publication;
use cofferdam_core::route::Route;
use cofferdam_core::verdict::Unrouted;

/// What keeps order among its records: partition and key, or the group.
type Lane = (i32, Bytes);

#[derive(Debug, Default)]
pub struct Witness {
    stories: HashMap<String, Story>,
    /// Records of each lane, in the order in which they were first received.
    lanes: HashMap<Lane, Vec<String>>,
    /// With a worker of this process.
    hands: HashMap<Lane, DeliveryId>,
    settled: HashSet<DeliveryId>,
    /// Receipts that the machine takes.
    pub received: u64,
    /// Size of the largest record.
    pub largest: u64,
    pub draining: bool,
    order: Order,
    /// The route ignores what it does not take.
    ignores: bool,
    pub fates: Vec<(String, Fate)>,
    pub troubles: Vec<(String, Next)>,
    pub commits: Vec<Position>,
    pub given_up: Vec<(i32, Option<i64>)>,
    pub holding: bool,
    pub stopped: u32,
    pub drained: u32,
    pub stored: Vec<Publication>,
}

/// What is known of one record since it was last received (Kafka) or handled (SQS).
#[derive(Debug)]
struct Story {
    record: Record,
    lane: Option<Lane>,
    /// The newest attempt ended well, with so many outputs.
    done: Option<usize>,
    outputs: BTreeSet<Bytes>,
    ignored: bool,
    dead_letter: bool,
    error_event: bool,
}

impl Story {
    fn new(record: Record, order: Order) -> Self {
        let number = match record.position {
            message::Position::Offset { partition, .. } => partition,
            message::Position::MessageId(_) => -1,
        };
        let lane = match order {
            Order::Partition => Some((number, Bytes::new())),
            Order::Key => record.key.clone().map(|key| (number, key)),
            Order::None => None,
        };
        let outputs = BTreeSet::new();
        Self { record, lane, done: None, outputs, ignored: false, dead_letter: false, error_event: false }
    }

    /// All that it leads to is durable.
    fn is_stored(&self) -> bool {
        let outputs = self.done.is_some_and(|outputs| self.outputs.len() >= outputs);
        outputs || self.ignored || (self.dead_letter && self.error_event)
    }

    /// What comes behind it in its lane may run. On Kafka the outputs need only be on their way.
    fn lets_pass(&self) -> bool {
        self.is_stored() || (!is_queued(&self.record) && self.done.is_some())
    }
}

fn is_queued(record: &Record) -> bool {
    matches!(record.position, message::Position::MessageId(_))
}

impl Witness {
    pub fn new(route: &Route) -> Self {
        Self { order: route.order, ignores: route.policy.unrouted == Unrouted::Ignore, ..Self::default() }
    }

    pub fn receive(&mut self, record: &Record) {
        self.received += 1;
        self.largest = self.largest.max(record.size() as u64);
        let id = record.id();
        if is_queued(record) && self.stories.contains_key(&id) {
            return;
        }
        let story = Story::new(record.clone(), self.order);
        if let Some(lane) = &story.lane {
            let lane = self.lanes.entry(lane.clone()).or_default();
            if !lane.contains(&id) {
                lane.push(id.clone());
            }
        }
        self.stories.insert(id, story);
    }

    /// A new process knows nothing of the attempts and receipts of the one before.
    pub fn restart(&mut self) {
        self.hands.clear();
        self.settled.clear();
        self.received = 0;
        (self.draining, self.holding, self.drained) = (false, false, 0);
    }

    pub fn saw(&mut self, action: &Action, machine: &Machine, broker: &Broker) {
        let of_source = matches!(action, Action::Ask(Ask::GiveUp { .. } | Ask::Release { .. }));
        assert!(self.drained == 0 || of_source, "{action:?} after the end of a drain");
        let id_of = |delivery: &DeliveryId| machine.delivery(*delivery).expect("an action's delivery").record().id();
        match action {
            Action::Handle(delivery) => self.handled(*delivery, &id_of(delivery)),
            Action::Publish { delivery, index } => {
                let publication = machine.delivery(*delivery).and_then(|delivery| delivery.publication(*index));
                self.published(&id_of(delivery), *index, publication.expect("a publication that is there"));
            }
            Action::Settled { delivery, fate } => self.ends(*delivery, id_of(delivery), *fate),
            Action::Troubled { delivery, next } => self.troubles.push((id_of(delivery), *next)),
            Action::Holding(holding) => {
                assert_ne!(self.holding, *holding, "told once");
                self.holding = *holding;
            }
            Action::Stop(_) => self.stopped += 1,
            Action::Drained => {
                assert_eq!(machine.in_flight(), 0, "nothing is in flight at the end of a drain");
                self.drained += 1;
            }
            Action::Ask(Ask::Commit(positions)) => positions.iter().for_each(|position| self.commits(position, broker)),
            Action::Ask(Ask::GiveUp { partition, commit }) => {
                commit.iter().for_each(|position| self.commits(position, broker));
                self.given_up.push((partition.number, commit.as_ref().map(|position| position.offset)));
            }
            Action::Ask(Ask::Delete { delivery, .. }) => {
                let id = id_of(delivery);
                assert!(self.stories[&id].is_stored(), "{id} is deleted and not stored");
                assert!(!self.settled.contains(delivery), "{id} is deleted and not ours");
            }
            Action::Ask(Ask::Grant { .. }) => assert!(!self.holding && !self.draining, "intake is shut"),
            Action::Ask(_) | Action::Circuit(_) | Action::Unreadable(_) => {}
            Action::Record(_) | Action::Transact { .. } => {}
        }
    }

    fn handled(&mut self, delivery: DeliveryId, id: &str) {
        assert!(!self.draining, "{id} starts in a drain");
        let story = self.stories.get_mut(id).expect("received before");
        if is_queued(&story.record) {
            *story = Story::new(story.record.clone(), self.order);
        }
        let Some(lane) = story.lane.clone() else { return };
        for earlier in self.lanes[&lane].iter().take_while(|earlier| *earlier != id) {
            assert!(self.stories[earlier].lets_pass(), "{id} runs before {earlier}");
        }
        let other = self.hands.insert(lane, delivery);
        assert!(other.is_none(), "{id}: its key is in another hand");
    }

    pub fn ended(&mut self, delivery: DeliveryId, id: &str, outcome: &Outcome<Vec<Publication>>) {
        let ignores = self.ignores;
        let story = self.stories.get_mut(id).expect("received before");
        self.hands.retain(|_, hand| *hand != delivery);
        if self.settled.contains(&delivery) {
            return;
        }
        match outcome {
            Outcome::Done(outputs) => story.done = Some(outputs.len()),
            Outcome::Failed(failure) => story.ignored = ignores && failure.class == Class::Unrouted,
        }
    }

    fn published(&mut self, id: &str, index: u32, publication: &Publication) {
        let story = &self.stories[id];
        match &**publication.destination.name() {
            "out" => {
                let outputs = story.done.expect("only a handler that ended well has outputs");
                assert!((index as usize) < outputs, "{id} has {outputs} outputs");
            }
            "dead" => {
                let Record { key, headers, payload, timestamp_ms, .. } = &story.record;
                assert_eq!((&publication.key, &publication.payload), (key, payload), "{id}: byte for byte");
                assert_eq!((&publication.timestamp_ms, index), (timestamp_ms, 0), "{id}");
                assert_eq!(publication.headers[..headers.len()], headers[..], "{id}: its headers come first");
            }
            other => assert_eq!((other, index), ("errors", 1), "{id}"),
        }
    }

    pub fn durable(&mut self, delivery: DeliveryId, id: &str, publication: Publication) {
        let story = self.stories.get_mut(id).expect("received before");
        if !self.settled.contains(&delivery) {
            match &**publication.destination.name() {
                "out" => drop(story.outputs.insert(publication.payload.clone().expect("outputs have one"))),
                "dead" => story.dead_letter = true,
                _ => story.error_event = true,
            }
        }
        self.stored.push(publication);
    }

    pub fn refused(&mut self, id: &str, publication: &Publication, refusal: &Refusal) {
        // An error event that nobody will ever take does not count.
        if &**publication.destination.name() == "errors" && matches!(refusal, Refusal::Rejected(..)) {
            self.stories.get_mut(id).expect("received before").error_event = true;
        }
    }

    fn ends(&mut self, delivery: DeliveryId, id: String, fate: Fate) {
        assert!(self.settled.insert(delivery), "{id} ends twice");
        if matches!(fate, Fate::Done | Fate::DeadLettered | Fate::Ignored) {
            assert!(self.stories[&id].is_stored(), "{id} is {fate:?} and not stored");
        }
        self.fates.push((id, fate));
    }

    fn commits(&mut self, position: &Position, broker: &Broker) {
        let log = &broker.logs[&position.partition.number];
        assert!(log.consumer.is_some(), "a commit for a partition that is not ours");
        assert!(position.offset >= log.committed, "the group's offset goes back");
        for record in log.records.iter().take_while(|record| offset(record) < position.offset) {
            let id = record.id();
            assert!(self.stories.get(&id).is_some_and(Story::is_stored), "{id} is committed and not stored");
        }
        self.commits.push(position.clone());
    }

    /// A record of which something is not durable, if there is one.
    pub fn unstored(&self) -> Option<&str> {
        self.stories.iter().find(|(_, story)| !story.is_stored()).map(|(id, _)| &**id)
    }
}
