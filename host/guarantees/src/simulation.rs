//! A world for the machine to live in, moved by hand or by dice.
//!
//! The world plays the driver's part for one or more hosts that share a topic or a queue: [`World::tell`] passes an event
//! on to one of them and takes in all actions. What they ask for then lies about (attempts in `running`, publications
//! in `sending`, questions to the brokers) until somebody answers it, in whatever order: a test by hand, or the dice
//! of a seeded history.
//!
//! All that happens becomes facts of a [`History`], which is judged as it grows.

mod broker;
mod calm;
mod check;
mod given;
mod history;
mod host;
mod poison;
mod queue;
mod run;
mod seen;
mod sinks;
mod storm;
mod transactions;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::Order;
use cofferdam_core::event::Event;
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::machine::Machine;
use cofferdam_core::message::{Header, Headers, Kind, Record};
use cofferdam_core::route::Route;
use cofferdam_core::time::Time;

pub use broker::{Broker, Client, Hold, Log};
pub use given::{
    failure, invalid, output, partition, queue_route, record, rejected, route, topic, unavailable, unleased_route,
};
pub use history::History;
pub use host::{Allowance, FLUSH, Host, Life, Sending};
pub use queue::{Message, Queue};
pub use run::{Options, Progress, Run, Total, simulate, simulate_many};
pub use seen::Seen;
pub use sinks::{Sinks, Stored};
pub use transactions::Ending;

use crate::{Terms, What};

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// Brokers, sinks, hosts and a clock.
#[derive(Debug)]
pub struct World {
    /// The route of all hosts.
    pub route: Arc<Route>,
    /// The world's clock. Those of the hosts may be ahead of it.
    pub now: Time,
    /// The topic.
    pub broker: Broker,
    /// The queue.
    pub queue: Queue,
    /// The destinations.
    pub sinks: Sinks,
    /// There is always one.
    pub hosts: Vec<Host>,
    /// Whom the next move is about.
    pub at: usize,
    /// All that has happened.
    pub history: History,
    dice: fastrand::Rng,
    /// Which messages are bad.
    poison: poison::Poison,
    /// Done to each new machine.
    prepare: fn(&mut Machine),
    /// Processes started so far.
    processes: u32,
    /// Connections to the queue so far.
    connections: u64,
    /// Events so far.
    told: u64,
    /// A broken promise is the end of the world.
    strict: bool,
    /// Somebody moves offsets and creates topics again.
    meddled: bool,
    /// Somebody pauses hosts, resumes them, and tries single messages.
    operated: bool,
}

impl World {
    /// A world with one host, moved by hand: the first broken promise panics.
    pub fn new(route: Route, seed: u64) -> Self {
        Self::new_with(route, seed, |_| {})
    }

    /// The same with something done to each new machine before anything else.
    pub fn new_with(route: Route, seed: u64, prepare: fn(&mut Machine)) -> Self {
        let mut world = Self::prepared(route, seed, 1, prepare);
        world.strict = true;
        world
    }

    /// A world with so many hosts; `prepare` is done to each of their machines before anything else.
    pub(crate) fn prepared(route: Route, seed: u64, hosts: usize, prepare: fn(&mut Machine)) -> Self {
        let mut world = Self {
            now: Time::from_millis(1_000_000),
            broker: Broker::default(),
            queue: Queue::new(route.source, route.order != Order::None),
            sinks: Sinks::default(),
            hosts: Vec::new(),
            at: 0,
            history: History::new(Terms::of(&route)),
            dice: fastrand::Rng::with_seed(seed),
            poison: poison::Poison::default(),
            prepare,
            processes: 0,
            connections: 0,
            told: 0,
            strict: false,
            meddled: false,
            operated: false,
            route: Arc::new(route),
        };
        (0..hosts).for_each(|_| world.add_host());
        world
    }

    /// Another host starts.
    pub fn add_host(&mut self) {
        let machine = self.new_machine();
        self.processes += 1;
        self.hosts.push(Host::new(machine, self.processes));
        let at = std::mem::replace(&mut self.at, self.hosts.len() - 1);
        self.started();
        self.at = at;
    }

    /// A world with one host that has this many partitions of the topic.
    pub fn kafka(route: Route, partitions: i32) -> Self {
        Self::kafka_with(route, partitions, |_| {})
    }

    /// The same, with something done to each new machine before anything else.
    pub fn kafka_with(route: Route, partitions: i32, prepare: fn(&mut Machine)) -> Self {
        let mut world = Self::prepared(route, 7, 1, prepare);
        world.strict = true;
        (0..partitions).for_each(|number| world.assign(number));
        world
    }

    /// A world with one host and a queue that leases messages.
    pub fn sqs() -> Self {
        Self::new(queue_route(), 7)
    }

    /// A world with one host and a queue without leases and delays, which counts no deliveries.
    pub fn broker_without_lease() -> Self {
        Self::new(unleased_route(false), 7)
    }

    /// Makes host `at` the one that the next moves are about.
    pub fn on(&mut self, at: usize) -> &mut Self {
        self.at = at;
        self
    }

    /// The host that moves are about.
    pub fn host(&self) -> &Host {
        &self.hosts[self.at]
    }

    /// The host that moves are about.
    pub fn host_mut(&mut self) -> &mut Host {
        &mut self.hosts[self.at]
    }

    /// What was seen of the host that moves are about.
    pub fn seen(&self) -> &Seen {
        &self.host().seen
    }

    /// The machine of the host that moves are about.
    pub fn machine(&self) -> &Machine {
        &self.host().machine
    }

    fn is_queue(&self) -> bool {
        self.route.source.acknowledges_each()
    }

    fn note(&mut self, what: What) {
        let host = self.host().process;
        self.history.add(self.now, host, what);
    }

    fn note_of_world(&mut self, what: What) {
        self.history.add(self.now, 0, what);
    }

    // The clock.

    /// Lets time pass, stopping wherever a machine wants to be woken.
    pub fn wait(&mut self, time: Duration) {
        let (end, at) = (self.now.after(time), self.at);
        while let Some((wake, host)) = self.next_wake().filter(|(wake, _)| *wake <= end) {
            self.now = self.now.max(wake);
            self.on(host).tell(Event::Due);
        }
        self.now = end;
        self.at = at;
    }

    /// Lets time pass while the broker confirms every commit of this host at once.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            self.answer_commit(true);
            let Some((wake, _)) = self.next_wake().filter(|(wake, _)| *wake <= end) else { break };
            self.wait(wake.since(self.now));
        }
        self.now = end;
    }

    /// When the first machine wants to be woken, and which.
    fn next_wake(&self) -> Option<(Time, usize)> {
        let up = self.hosts.iter().enumerate().filter(|(_, host)| host.life == Life::Up);
        up.filter_map(|(at, host)| Some((host.machine.next_wake()?.before(host.ahead), at))).min()
    }

    /// With nothing in flight the machine wants to be woken a few times more at most.
    pub fn fall_asleep(&mut self) {
        for _ in 0..10_000 {
            let Some(wake) = self.machine().next_wake() else { return };
            self.now = self.now.max(wake.before(self.host().ahead));
            self.tell(Event::Due);
        }
        panic!("it wants to be woken for ever");
    }

    // The group and the topic.

    /// The group gives the partition to this host, whoever had it before.
    pub fn assign(&mut self, number: i32) {
        self.end_staged(number);
        let (hold, assignment) = self.broker.assign(number);
        let name = self.name(number);
        let host = self.host_mut();
        // Answers about the assignment before come before this one, or never.
        host.given_up.retain(|(position, _)| position.partition.number != number);
        let before = host.client.holds.insert(number, hold);
        if before.is_some() && name != self.name(number) {
            // That of the topic before, which the host takes for the same.
            self.note(What::Lost { partitions: vec![name] });
        }
        self.note(What::Assigned { partitions: vec![self.name(number)] });
        self.tell(Event::Assigned(vec![assignment]));
    }

    /// The group wants the partition back from this host.
    pub fn revoke(&mut self, number: i32) {
        let until = self.now.after(self.host().ahead).after(self.route.revoke_timeout);
        if let Some(hold) = self.host_mut().client.hold(number) {
            (hold.revoked, hold.until) = (true, Some(until));
        }
        self.tell(Event::Revoked(vec![partition(number)]));
    }

    /// The partition is gone from this host, and it knows.
    pub fn lose(&mut self, number: i32) {
        let (at, name) = (self.at, self.name(number));
        if let Some(hold) = self.hosts[at].client.holds.remove(&number)
            && self.broker.is_owner(number, &hold)
        {
            self.broker.evict(number);
        }
        self.note(What::Lost { partitions: vec![name] });
        self.tell(Event::Lost(vec![partition(number)]));
    }

    /// Somebody moves the group's offset of a partition that nobody has, and keeps the metadata.
    pub fn move_offset(&mut self, number: i32, offset: i64) {
        assert!(self.broker.is_free(number), "a broker refuses that while the group has members");
        self.end_staged(number);
        self.broker.move_to(number, offset);
        let topic = self.broker.logs[&number].topic;
        self.note_of_world(What::Moved { partition: named(number, topic), offset });
    }

    /// A topic of one partition is deleted and created again, while hosts have it.
    pub fn recreate(&mut self, number: i32) {
        self.end_staged(number);
        let topic = self.broker.logs.get(&number).map_or(0, |log| log.topic);
        self.broker.recreate(number);
        self.note_of_world(What::TopicDeleted { partition: named(number, topic) });
    }

    /// How facts call a partition: as this host knows it.
    fn name(&self, number: i32) -> Box<str> {
        let held = self.host().client.holds.get(&number).map(|hold| hold.topic);
        let there = || self.broker.logs.get(&number).map_or(0, |log| log.topic);
        named(number, held.unwrap_or_else(there))
    }

    /// Writes a record to a partition; an empty key stands for none. Returns its id.
    pub fn write(&mut self, number: i32, key: &str, size: usize) -> String {
        let headers = [Header { name: b"n", value: None, kind: Kind::Bytes }].into();
        self.write_with(number, key, size, headers)
    }

    /// The same with these headers.
    pub fn write_with(&mut self, number: i32, key: &str, size: usize, headers: Headers) -> String {
        let record = self.broker.produce(number, key, size, headers);
        self.produced(&record)
    }

    /// Writes a record for each key to partition 0, and takes in what it may.
    pub fn produce(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| drop(self.write(0, key, 10)));
        self.fetch();
    }

    fn produced(&mut self, record: &Record) -> String {
        let id = record.id();
        let lane = self.lane(record);
        // As the world wrote it, not as the rules read it.
        let event_id = record.text_header("ce_id").zip(record.text_header("ce_source"));
        let event_id =
            event_id.filter(|_| self.route.suppress_duplicates).map(|(id, source)| format!("{id} of {source}").into());
        self.note_of_world(What::Produced { record: id.as_str().into(), lane, event_id });
        id
    }

    /// What the record keeps its order with.
    fn lane(&self, record: &Record) -> Option<Box<str>> {
        let place = match &record.position {
            cofferdam_core::message::Position::Offset { partition, .. } => format!("{}/{partition}", record.source),
            cofferdam_core::message::Position::MessageId(_) => "q".to_owned(),
        };
        let key = record.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned());
        match self.route.order {
            Order::Partition => Some(place.into()),
            Order::Key => key.map(|key| format!("{place}/{key}").into()),
            Order::None => None,
        }
    }

    /// Takes in all that the host's client may.
    pub fn fetch(&mut self) {
        let numbers: Vec<i32> = self.host().client.holds.keys().copied().collect();
        for number in numbers {
            let host = &mut self.hosts[self.at];
            let wanted = !host.seen.draining && host.client.hold(number).is_some_and(|hold| !hold.revoked);
            if let Some(end) = host.client.late_end(number, &self.broker).filter(|_| wanted) {
                self.tell(end);
            }
            let host = &mut self.hosts[self.at];
            let records = host.client.fetch(number, &self.broker, &mut host.allowance, wanted);
            if records.is_empty() {
                self.reach(number, wanted);
                continue;
            }
            if wanted {
                let Host { client, seen, .. } = &mut self.hosts[self.at];
                let hold = &client.holds[&number];
                records.iter().filter(|record| !hold.is_finished(record)).for_each(|record| seen.receive(record));
                self.received(records.iter());
            }
            self.tell(Event::Records { partition: partition(number), records });
            self.reach(number, wanted);
        }
    }

    /// Says that a partition was read to its end, where that lies behind the last record.
    fn reach(&mut self, number: i32, wanted: bool) {
        // What the machine was told last may have cost it the partition.
        let host = &mut self.hosts[self.at];
        if let Some(end) = host.client.end(number, &self.broker).filter(|_| wanted) {
            self.tell(end);
        }
    }

    fn received<'a>(&mut self, records: impl Iterator<Item = &'a Record>) {
        let records = records.map(|record| record.id().into()).collect();
        self.note(What::Received { records });
    }

    /// The broker answers the commit that is with it. What was lost meanwhile is refused.
    pub fn answer_commit(&mut self, well: bool) {
        self.end_commit(well, well);
    }

    /// The commit that is with the broker is `taken` or not, and its answer comes back or not.
    fn end_commit(&mut self, taken: bool, told: bool) {
        let host = &mut self.hosts[self.at];
        if host.client.transaction.is_some() {
            return;
        }
        let Some((positions, well)) = host.client.answer(&mut self.broker, taken, told) else { return };
        if well {
            for position in &positions {
                let partition = self.name(position.partition.number);
                self.note(What::Committed { partition, offset: position.offset });
            }
        }
        self.tell(if well { Event::Committed(positions) } else { Event::CommitFailed(positions) });
    }

    /// The answer to the last commit of a partition that was given up arrives. Answers about one partition keep the order of
    /// the commits.
    pub fn answer_given_up(&mut self) {
        let host = self.host_mut();
        let is_next = |(position, _): &(CommitPosition, bool)| !host.client.is_asked(position.partition.number);
        let Some(index) = host.given_up.iter().position(is_next) else { return };
        let (position, well) = host.given_up.remove(index);
        self.tell(if well { Event::Committed(vec![position]) } else { Event::CommitFailed(vec![position]) });
    }

    // The queue.

    /// Sends a message; an empty group stands for none.
    pub fn post(&mut self, group: &str, size: usize) {
        self.post_with(group, size, Headers::default());
    }

    /// The same with these attributes.
    pub fn post_with(&mut self, group: &str, size: usize, headers: Headers) {
        let record = self.queue.send(group, size, headers);
        self.produced(&record);
    }

    /// Sends a message to each group, and takes in what it may.
    pub fn send(&mut self, groups: &[&str]) {
        groups.iter().for_each(|group| self.post(group, 10));
        self.receive();
    }

    /// Takes in what the queue gives.
    pub fn receive(&mut self) {
        self.learn_of_the_connection();
        if self.seen().drained > 0 {
            return; // by what it has learnt
        }
        let host = &mut self.hosts[self.at];
        let messages = self.queue.receive(self.now, (host.connection, host.ahead), &mut host.allowance);
        for record in std::mem::take(&mut self.queue.moved) {
            self.note_of_world(What::Redriven { record: record.into() });
        }
        if messages.is_empty() {
            return;
        }
        let host = &mut self.hosts[self.at];
        messages.iter().for_each(|leased| host.seen.receive(&leased.record));
        self.received(messages.iter().map(|leased| &leased.record));
        self.tell(Event::Messages(messages));
    }

    /// The connection of this host to the queue ends, and the host does not know yet.
    pub fn disconnect(&mut self) {
        let connection = self.host().connection;
        for record in self.queue.disconnect(connection) {
            self.note(What::LeaseLost { record: record.into() });
        }
    }

    /// The host learns what it has lost with its connection, if that has ended, and connects again.
    pub fn learn_of_the_connection(&mut self) {
        let connection = self.host().connection;
        if self.queue.is_connected(connection) {
            return;
        }
        self.connections += 1;
        self.host_mut().connection = self.connections;
        let ended = self.queue.take_ended(connection);
        let deliveries = self.machine().deliveries();
        let lost = deliveries.filter(|(_, one)| one.receipt().is_some_and(|receipt| ended.contains(receipt)));
        let lost: Vec<_> = lost.map(|(id, _)| id).collect();
        if !lost.is_empty() {
            self.tell(Event::LeaseLost(lost));
        }
    }

    /// The queue answers the first delete that is with it.
    pub fn answer_delete(&mut self, well: bool) {
        if self.host().deletes.is_empty() {
            return;
        }
        let (id, receipt) = self.host_mut().deletes.remove(0);
        let record = self.record_id(id).map(Into::into);
        match (well && self.queue.delete(&receipt), record) {
            (true, Some(record)) => {
                self.note(What::Deleted { record });
                self.tell(Event::Deleted(vec![id]));
            }
            (false, Some(_)) if well => self.lease_lost(id),
            _ => self.tell(Event::DeleteFailed(vec![id])),
        }
    }

    /// The queue answers the first extension that is with it.
    pub fn answer_extend(&mut self) {
        if self.host().extends.is_empty() {
            return;
        }
        let ahead = self.host().ahead;
        let (id, receipt, lease) = self.host_mut().extends.remove(0);
        let until = self.now.after(lease);
        if self.queue.extend(&receipt, until) {
            self.tell(Event::Extended { deliveries: vec![id], until: until.after(ahead) });
        } else {
            self.lease_lost(id);
        }
    }

    /// The host learns that this lease is gone.
    pub fn lease_lost(&mut self, id: cofferdam_core::event::DeliveryId) {
        let live = self.machine().delivery(id).filter(|delivery| delivery.is_live());
        if let Some(record) = live.map(|delivery| delivery.record().id().into()) {
            self.note(What::LeaseLost { record });
        }
        self.tell(Event::LeaseLost(vec![id]));
    }
}

/// How facts call a partition of the topic that was created again so often.
fn named(number: i32, topic: u32) -> Box<str> {
    format!("{}/{number}", broker::topic_name(topic)).into()
}
