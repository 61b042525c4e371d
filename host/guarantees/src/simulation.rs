//! A world for the machine to live in, moved by hand or by dice.
//!
//! The world plays the driver's part: [`World::tell`] passes an event on and takes in all actions. What they ask for
//! then lies about (attempts in `running`, publications in `sending`, the brokers' questions with the brokers)
//! until a test answers it, in whatever order it likes.

pub mod broker;
pub mod chance;
mod check;
pub mod queue;
pub mod witness;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use cofferdam_core::Order;
use cofferdam_core::action::{Action, Ask};
use cofferdam_core::envelope::Envelope;
use cofferdam_core::event::{Assignment, DeliveryId, Event, Partition, Refusal};
use cofferdam_core::machine::{Breaker, Machine};
use cofferdam_core::message::Record;
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::{Destination, Publication};
use cofferdam_core::retry::Retry;
use cofferdam_core::route::{Bounds, DeadLetterRule, Guarantee, Lease, Route};
use cofferdam_core::time::Time;
use cofferdam_core::verdict::Policy;
use queue::Queue;
use witness::Witness;

pub const SECOND: Duration = Duration::from_secs(1);

/// What a source may still hand over, counted as the sources count.
#[derive(Debug, Default)]
pub struct Allowance {
    pub messages: u32,
    pub bytes: i64,
}

impl Allowance {
    fn is_left(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    fn take(&mut self, record: &Record) {
        self.messages -= 1;
        self.bytes -= i64::try_from(record.size()).expect("small");
    }
}

pub struct World {
    pub machine: Machine,
    pub route: Arc<Route>,
    pub now: Time,
    pub broker: Broker,
    pub queue: Queue,
    pub allowance: Allowance,
    /// Attempts handed out and not ended.
    pub running: Vec<DeliveryId>,
    /// Publications handed out and not answered.
    pub sending: Vec<Sending>,
    pub witness: Witness,
    pub dice: fastrand::Rng,
    /// Events so far.
    pub told: u64,
}

/// A publication that is with its sink.
#[derive(Debug, Clone)]
pub struct Sending {
    pub delivery: DeliveryId,
    pub index: u32,
    /// Id of the record it comes from.
    pub of: String,
    pub publication: Publication,
}

/// Every wait exact, four attempts at once.
pub fn route() -> Route {
    Route {
        concurrency: 4,
        bounds: Bounds { messages: 100, bytes: 100_000 },
        policy: Policy { retry: Retry { jitter: 0.0, ..Retry::default() }, ..Policy::default() },
        dead_letter: DeadLetterRule::To(Destination::Kafka("dead".into())),
        name: "r".into(),
        service: "shop".into(),
        group: Some("g".into()),
        envelope: Envelope::Raw,
        accept: None,
        order: Order::Key,
        delivery: Guarantee::AtLeastOnce,
        suppress_duplicates: false,
        breaker: Breaker { failures: 0, dead_letters: 0, ..Breaker::default() },
        commit_interval: SECOND,
        release_limit: 10 * SECOND,
        lease: None,
        outputs: [].into(),
        errors: Some(Destination::Kafka("errors".into())),
    }
}

/// The same for a queue.
pub fn queue_route() -> Route {
    Route { lease: Some(Lease::default()), group: None, ..route() }
}

pub fn failure(class: Class) -> Failure {
    Failure::new(class, Code::of_handler("SOME"), "as told")
}

pub fn partition(number: i32) -> Partition {
    Partition { topic: "t".into(), number }
}

impl World {
    pub fn new(route: Route, seed: u64) -> Self {
        let route = Arc::new(route);
        let mut world = Self {
            machine: Machine::new(Arc::clone(&route), seed),
            now: Time::from_millis(1_000_000),
            broker: Broker::default(),
            queue: Queue::new(route.lease.unwrap_or_default().length),
            allowance: Allowance::default(),
            running: Vec::new(),
            sending: Vec::new(),
            witness: Witness::new(&route),
            dice: fastrand::Rng::with_seed(seed),
            told: 0,
            route,
        };
        world.carry_out();
        world
    }

    /// A world with these partitions of the topic, all ours.
    pub fn kafka(route: Route, partitions: i32) -> Self {
        let mut world = Self::new(route, 7);
        (0..partitions).for_each(|number| world.assign(number));
        world
    }

    /// A world with a queue.
    pub fn sqs() -> Self {
        Self::new(queue_route(), 7)
    }

    /// The host dies and another one starts: what the brokers and sinks have is all there is.
    pub fn crash(&mut self) {
        self.machine = Machine::new(Arc::clone(&self.route), self.dice.u64(..));
        self.allowance = Allowance::default();
        self.running.clear();
        self.sending.clear();
        self.broker.forget_consumer();
        self.queue.forget_consumer();
        self.witness.restart();
        self.carry_out();
    }

    /// Passes an event on and takes in what the machine wants done.
    pub fn tell(&mut self, event: Event) {
        self.told += 1;
        self.machine.handle(event, self.now);
        self.carry_out();
        self.check();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.machine.next_action() {
            self.witness.saw(&action, &self.machine, &self.broker);
            match action {
                Action::Handle(id) => self.running.push(id),
                Action::Publish { delivery, index } => {
                    let from = self.machine.delivery(delivery).expect("a publication has its delivery");
                    let publication = from.publication(index).expect("a publication that is there").clone();
                    let of = from.record().id();
                    self.sending.push(Sending { delivery, index, of, publication });
                }
                Action::Ask(Ask::Grant { messages, bytes }) => {
                    self.allowance.messages += messages;
                    self.allowance.bytes += i64::try_from(bytes).expect("small");
                }
                Action::Ask(ask) => self.ask(ask),
                Action::Settled { .. } | Action::Troubled { .. } => {}
                Action::Holding(_) | Action::Stop(_) | Action::Drained => {}
                Action::Circuit(_) | Action::Unreadable(_) => {}
                Action::Record(_) | Action::Transact { .. } => unreachable!("no route of this world asks for it"),
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Pause(partition) => self.broker.pause(&partition, true),
            Ask::Resume(partition) => self.broker.pause(&partition, false),
            Ask::Commit(positions) => self.broker.ask(positions),
            Ask::GiveUp { partition, commit } => self.broker.give_up(&partition, commit),
            Ask::Delete { delivery, receipt } => self.queue.deletes.push((delivery, receipt)),
            Ask::Extend { delivery, receipt, lease } => self.queue.extends.push((delivery, receipt, lease)),
            Ask::Release { receipts, delay } => self.queue.release(&receipts, self.now.after(delay)),
            Ask::Grant { .. } => unreachable!("taken before"),
        }
    }

    /// The client is told to stop; what runs has this long.
    pub fn drain(&mut self, limit: Duration) {
        self.witness.draining = true;
        self.tell(Event::Drain(limit));
    }

    // The clock.

    /// Lets time pass, stopping wherever the machine wants to be woken.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some(wake) = self.machine.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.tell(Event::Due);
        }
        self.now = end;
    }

    /// Lets time pass while the broker confirms every commit at once.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            self.answer_commit(true);
            let Some(wake) = self.machine.next_wake().filter(|wake| *wake <= end) else { break };
            self.now = self.now.max(wake);
            self.tell(Event::Due);
        }
        self.now = end;
    }

    /// With nothing in flight the machine wants to be woken a few times more at most.
    pub fn fall_asleep(&mut self) {
        for _ in 0..10_000 {
            let Some(wake) = self.machine.next_wake() else { return };
            self.now = self.now.max(wake);
            self.tell(Event::Due);
        }
        panic!("it wants to be woken for ever");
    }

    // The group and the topic.

    pub fn assign(&mut self, number: i32) {
        self.broker.assign(number);
        self.tell(Event::Assigned(vec![Assignment { partition: partition(number), metadata: None }]));
    }

    pub fn revoke(&mut self, number: i32) {
        self.broker.revoke(number);
        self.tell(Event::Revoked(vec![partition(number)]));
    }

    pub fn lose(&mut self, number: i32) {
        self.broker.lose(number);
        self.tell(Event::Lost(vec![partition(number)]));
    }

    /// Writes a record for each key to partition 0; an empty text stands for no key.
    pub fn produce(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| drop(self.broker.produce(0, key, 10)));
        self.fetch();
    }

    /// Takes in all that the consumer may.
    pub fn fetch(&mut self) {
        let numbers: Vec<i32> = self.broker.logs.keys().copied().collect();
        for number in numbers {
            let wanted = self.broker.wants(number) && !self.witness.draining;
            let records = self.broker.fetch(number, &mut self.allowance, wanted);
            records.iter().filter(|_| wanted).for_each(|record| self.witness.receive(record));
            if !records.is_empty() {
                self.tell(Event::Records { partition: partition(number), records });
            }
        }
    }

    /// The broker answers the commit that is with it. What was lost meanwhile is refused.
    pub fn answer_commit(&mut self, well: bool) {
        if let Some(event) = self.broker.answer(well) {
            self.tell(event);
        }
    }

    // The queue.

    /// Sends a message to each group; an empty text stands for none.
    pub fn send(&mut self, groups: &[&str]) {
        groups.iter().for_each(|group| self.queue.send(group, 10));
        self.receive();
    }

    /// Takes in all that the queue gives.
    pub fn receive(&mut self) {
        let messages = self.queue.receive(self.now, &mut self.allowance);
        messages.iter().for_each(|leased| self.witness.receive(&leased.record));
        if !messages.is_empty() {
            self.tell(Event::Messages(messages));
        }
    }

    pub fn answer_delete(&mut self, well: bool) {
        if self.queue.deletes.is_empty() {
            return;
        }
        let (id, receipt) = self.queue.deletes.remove(0);
        let event = match well {
            true if self.queue.delete(&receipt) => Event::Deleted(vec![id]),
            true => Event::LeaseLost(vec![id]),
            false => Event::DeleteFailed(vec![id]),
        };
        self.tell(event);
    }

    pub fn answer_extend(&mut self) {
        if self.queue.extends.is_empty() {
            return;
        }
        let (id, receipt, lease) = self.queue.extends.remove(0);
        let until = self.now.after(lease);
        let extended = self.queue.extend(&receipt, until);
        self.tell(match extended {
            true => Event::Extended { deliveries: vec![id], until },
            false => Event::LeaseLost(vec![id]),
        });
    }
}

pub fn unavailable() -> Option<Refusal> {
    Some(Refusal::Unavailable("no broker answers".into()))
}

pub fn rejected() -> Option<Refusal> {
    Some(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, "1 MB is the most".into()))
}
