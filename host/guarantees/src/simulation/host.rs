//! A host: a machine, and what it has asked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::action::{Action, Ask};
use cofferdam_core::command::Command;
use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::machine::Machine;
use cofferdam_core::message::Record;
use cofferdam_core::output::Publication;
use cofferdam_core::progress::Progress;

use super::{Client, Seen, World};
use crate::What;

/// How long a host that stops waits for answers.
pub const FLUSH: Duration = Duration::from_secs(10);

/// A host of the route.
#[derive(Debug)]
pub struct Host {
    /// Which process it is: another after each start.
    pub process: u32,
    /// Whether it runs.
    pub life: Life,
    /// Its rules.
    pub machine: Machine,
    /// Its connection to the queue; another after each end.
    pub connection: u64,
    /// Its view of the group.
    pub client: Client,
    /// Last commits of partitions that were given up, each with its answer, which has not arrived.
    pub given_up: Vec<(CommitPosition, bool)>,
    /// What its source may still hand over.
    pub allowance: Allowance,
    /// Attempts handed out and not ended.
    pub running: Vec<DeliveryId>,
    /// Publications handed out and not answered.
    pub sending: Vec<Sending>,
    /// Deletes that the queue has not answered.
    pub deletes: Vec<(DeliveryId, Arc<str>)>,
    /// Extensions that the queue has not answered.
    pub extends: Vec<(DeliveryId, Arc<str>, Duration)>,
    /// Ids that the store was asked to record and has not.
    pub recording: Vec<DeliveryId>,
    /// Attempts that will not be made: the store knew the event when it was asked.
    pub(super) known: BTreeSet<DeliveryId>,
    /// What it said of itself.
    pub seen: Seen,
    /// By how much its clock is ahead of the world's; it never goes back.
    pub ahead: Duration,
}

/// Whether a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Up,
    /// It stands still and keeps what it has in memory, while the world goes on.
    Frozen,
    /// It was killed, or has stopped.
    Down,
}

/// A publication that is with its sink.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Whose.
    pub delivery: DeliveryId,
    /// Which of its publications.
    pub index: u32,
    /// Id of the record it comes from.
    pub of: String,
    /// What.
    pub publication: Publication,
    /// What the record keeps its order with.
    pub lane: Option<Box<str>>,
}

/// What a source may still hand over, counted as the sources count.
#[derive(Debug, Default)]
pub struct Allowance {
    /// Messages.
    pub messages: u32,
    /// Bytes; the last record may go over.
    pub bytes: i64,
}

impl Allowance {
    pub(super) fn is_left(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    pub(super) fn take(&mut self, record: &Record) {
        self.messages -= 1;
        self.bytes -= i64::try_from(record.size()).expect("small");
    }
}

impl Host {
    pub(super) fn new(machine: Machine, process: u32) -> Self {
        Self {
            process,
            life: Life::Up,
            machine,
            connection: 0,
            client: Client::default(),
            given_up: Vec::new(),
            allowance: Allowance::default(),
            running: Vec::new(),
            sending: Vec::new(),
            deletes: Vec::new(),
            extends: Vec::new(),
            recording: Vec::new(),
            known: BTreeSet::new(),
            seen: Seen::default(),
            ahead: Duration::ZERO,
        }
    }
}

impl World {
    pub(super) fn new_machine(&mut self) -> Machine {
        let mut machine = Machine::new(Arc::clone(&self.route), self.dice.u64(..));
        (self.prepare)(&mut machine);
        machine
    }

    /// A process has begun: what it asks for at first.
    pub(super) fn started(&mut self) {
        self.note(What::Started);
        self.carry_out();
    }

    /// The host is killed: what it has in memory is gone, and the group notices at once.
    pub fn kill(&mut self) {
        self.note(What::Killed);
        self.leave();
    }

    /// The process is no more.
    pub(super) fn leave(&mut self) {
        let host = &mut self.hosts[self.at];
        host.life = Life::Down;
        for (number, hold) in std::mem::take(&mut host.client).holds {
            if self.broker.is_owner(number, &hold) {
                self.broker.evict(number);
            }
        }
        let connection = host.connection;
        host.given_up.clear();
        host.running.clear();
        host.sending.clear();
        host.deletes.clear();
        host.extends.clear();
        host.recording.clear();
        host.known.clear();
        self.queue.disconnect(connection);
        self.queue.take_ended(connection);
    }

    /// Another process takes the place of one that is down: what the brokers and sinks have is all there is.
    pub fn start(&mut self) {
        let machine = self.new_machine();
        self.processes += 1;
        let process = self.processes;
        let host = self.host_mut();
        let (mut seen, ahead) = (std::mem::take(&mut host.seen), host.ahead);
        seen.restart();
        *host = Host { seen, ahead, ..Host::new(machine, process) };
        self.started();
    }

    /// The host dies and another one starts.
    pub fn crash(&mut self) {
        self.kill();
        self.start();
    }

    /// The host is told to stop; what runs has this long, and answers have [`FLUSH`] more.
    pub fn drain(&mut self, limit: Duration) {
        let until = self.now.after(self.host().ahead).after(limit).after(FLUSH);
        let seen = &mut self.host_mut().seen;
        seen.draining = true;
        seen.until.get_or_insert(until);
        self.note(What::Draining);
        self.tell(Event::Command(Command::Drain { finish: limit, flush: FLUSH }));
    }

    /// People pause the host: it starts nothing by itself.
    pub fn pause(&mut self) {
        self.note(What::Paused);
        self.tell(Event::Command(Command::Pause));
    }

    /// People end the pause.
    pub fn resume(&mut self) {
        self.note(What::Resumed);
        self.tell(Event::Command(Command::Resume));
    }

    /// People let one message through in the pause.
    pub fn try_one(&mut self) {
        self.note(What::TriesOne);
        self.tell(Event::Command(Command::TryOne));
    }

    /// Passes an event on and takes in what the machine wants done.
    pub fn tell(&mut self, event: Event) {
        self.told += 1;
        let now = self.now.after(self.host().ahead);
        self.host_mut().machine.handle(event, now);
        self.carry_out();
        self.check();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.host_mut().machine.next_action() {
            let host = &mut self.hosts[self.at];
            host.seen.saw(&action, &host.machine, &self.route);
            match action {
                Action::Handle(delivery) => {
                    self.check_start();
                    let host = &mut self.hosts[self.at];
                    host.running.push(delivery);
                    let handled = host.machine.delivery(delivery).expect("an action's delivery");
                    let attempt = handled.attempt();
                    if handled.event().is_some_and(|event| self.sinks.knows(event)) {
                        host.known.insert(delivery);
                    }
                    let record = self.id_of(delivery);
                    self.note(What::Handling { record, attempt });
                }
                Action::Publish { delivery, index } => {
                    let from = host.machine.delivery(delivery).expect("a publication has its delivery");
                    let publication = from.publication(index).expect("a publication that is there").clone();
                    let (of, record) = (from.record().id(), Arc::clone(from.record()));
                    let lane = self.lane(&record);
                    self.host_mut().sending.push(Sending { delivery, index, of, publication, lane });
                }
                Action::Ask(Ask::Grant { messages, bytes }) => {
                    host.allowance.messages += messages;
                    host.allowance.bytes += i64::try_from(bytes).expect("small");
                    self.check_grant(bytes);
                }
                Action::Ask(ask) => self.ask(ask),
                Action::Settled { delivery, fate } => {
                    let record = self.id_of(delivery);
                    self.note(What::Settled { record, fate });
                }
                Action::Troubled { .. }
                | Action::Holding(_)
                | Action::Stop(_)
                | Action::Drained
                | Action::Paused(_) => {}
                Action::Blocked(_) | Action::Unblocked(_) | Action::Circuit(_) | Action::MetadataIgnored(..) => {}
                Action::Record(delivery) => host.recording.push(delivery),
                Action::Transact { deliveries, positions } => {
                    host.client.ask(positions);
                    host.client.transaction = Some(deliveries);
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Pause(partition) => self.host_mut().client.pause(partition.number, true),
            Ask::Resume(partition) => self.host_mut().client.pause(partition.number, false),
            Ask::Transacted(_) => {}
            // Whoever is given it next reads it from where the group is.
            Ask::Reread(partition) => {
                let name = self.name(partition.number);
                self.hosts[self.at].client.let_go(partition.number, &mut self.broker);
                self.note(What::Lost { partitions: vec![name] });
            }
            Ask::Commit(positions) => {
                positions.iter().for_each(|position| self.commits(position));
                self.host_mut().client.ask(positions);
            }
            Ask::GiveUp { partition, commit } => {
                self.check_given_up(partition.number);
                commit.iter().for_each(|position| self.commits(position));
                let name = self.name(partition.number);
                let host = &mut self.hosts[self.at];
                let reachable = !self.sinks.is_down(super::sinks::SOURCE);
                let taken = host.client.give_up(partition.number, commit.as_ref(), &mut self.broker, reachable);
                if let Some(position) = commit {
                    let offset = position.offset;
                    host.given_up.push((position, taken));
                    if taken {
                        self.note(What::Committed { partition: name.clone(), offset });
                    }
                }
                self.note(What::GaveUp { partitions: vec![name] });
            }
            Ask::Delete { delivery, receipt } => {
                let record = self.id_of(delivery);
                self.note(What::Deletes { record });
                self.host_mut().deletes.push((delivery, receipt));
            }
            Ask::Extend { delivery, receipt, lease } => self.host_mut().extends.push((delivery, receipt, lease)),
            Ask::Release { receipts, delay } => self.queue.release(&receipts, self.now, delay),
            Ask::Grant { .. } => unreachable!("taken before"),
        }
    }

    pub(super) fn commits(&mut self, position: &CommitPosition) {
        let progress = Progress::decode(&position.metadata).expect("what the machine has written it can read");
        let finished = progress.finished.into_iter().map(|run| (run.start, run.end)).collect();
        let attempts = progress.tried.iter().map(|(offset, tried)| (*offset, tried.attempt - 1)).collect();
        let partition = self.name(position.partition.number);
        self.note(What::Commits { partition, offset: position.offset, finished, attempts });
    }

    /// The record of a delivery that the machine has just named.
    fn id_of(&self, delivery: DeliveryId) -> crate::RecordId {
        self.record_id(delivery).expect("an action's delivery can be looked at").into()
    }

    /// The record of a delivery, if the machine still knows it.
    pub(super) fn record_id(&self, delivery: DeliveryId) -> Option<String> {
        Some(self.machine().delivery(delivery)?.record().id())
    }
}
