//! What a host said of itself, and the rules of conversation between a machine and its driver.

use std::collections::BTreeMap;

use cofferdam_core::action::{Action, Ask, Blocked, Circuit, Fate, Next};
use cofferdam_core::event::DeliveryId;
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::machine::Machine;
use cofferdam_core::message::Record;
use cofferdam_core::output::Publication;
use cofferdam_core::route::{Guarantee, Route};
use cofferdam_core::time::Time;

/// What a host said of itself, since the world began where nothing else is said.
#[derive(Debug)]
pub struct Seen {
    /// How receipts ended, by record.
    pub fates: Vec<(String, Fate)>,
    /// Attempts that failed and are made again, by record.
    pub troubles: Vec<(String, Next)>,
    /// All commits that were asked for, those at the end of a partition among them.
    pub commits: Vec<CommitPosition>,
    /// Partitions given up, and the offset committed with it.
    pub given_up: Vec<(i32, Option<i64>)>,
    /// What the machine said last: intake is shut.
    pub holding: bool,
    /// A command has paused it.
    pub paused: bool,
    /// What the machine said last of its circuit.
    pub circuit: Circuit,
    /// Partitions that the machine has said are blocked, by number.
    pub blocked: BTreeMap<i32, Blocked>,
    /// How often the route wanted to stop.
    pub stopped: u32,
    /// Drains that have ended, in this process.
    pub drained: u32,
    /// This process was told to stop.
    pub draining: bool,
    /// By the host's clock it has to end before this.
    pub(super) until: Option<Time>,
    /// Receipts that the machine takes, in this process.
    pub(super) received: u64,
    /// Size of the largest record.
    pub(super) largest: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            fates: Vec::new(),
            troubles: Vec::new(),
            commits: Vec::new(),
            given_up: Vec::new(),
            holding: false,
            paused: false,
            circuit: Circuit::Closed,
            blocked: BTreeMap::new(),
            stopped: 0,
            drained: 0,
            draining: false,
            until: None,
            received: 0,
            largest: 0,
        }
    }
}

impl Seen {
    pub(super) fn receive(&mut self, record: &Record) {
        self.received += 1;
        self.largest = self.largest.max(record.size() as u64);
    }

    /// A new process knows nothing of the one before.
    pub(super) fn restart(&mut self) {
        self.received = 0;
        (self.draining, self.holding, self.paused, self.drained) = (false, false, false, 0);
        self.circuit = Circuit::Closed;
        self.until = None;
        self.blocked.clear();
    }

    pub(super) fn saw(&mut self, action: &Action, machine: &Machine, route: &Route) {
        // What is acknowledged already has nowhere to go back to, and what a queue may move away stays with its host.
        let pledged = route.delivery == Guarantee::AtMostOnce;
        let stays = route.source.max_receives.is_some();
        let of_source = matches!(
            action,
            Action::Ask(Ask::GiveUp { .. } | Ask::Release { .. }) | Action::Circuit(_) | Action::Unblocked(_)
        );
        assert!(self.drained == 0 || of_source, "{action:?} after the end of a drain");
        let id_of = |delivery: &DeliveryId| machine.delivery(*delivery).expect("an action's delivery").record().id();
        match action {
            Action::Handle(delivery) => {
                assert!(!self.draining || pledged || stays, "{} starts in a drain", id_of(delivery));
            }
            Action::Publish { delivery, index } => {
                let delivery = machine.delivery(*delivery).expect("an action's delivery");
                let publication = delivery.publication(*index).expect("a publication that is there");
                check_publication(delivery.record(), *index, publication);
            }
            Action::Settled { delivery, fate } => self.fates.push((id_of(delivery), *fate)),
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
            Action::Ask(Ask::Commit(positions)) => self.commits.extend(positions.iter().cloned()),
            Action::Ask(Ask::GiveUp { partition, commit }) => {
                self.commits.extend(commit.clone());
                self.given_up.push((partition.number, commit.as_ref().map(|position| position.offset)));
            }
            Action::Ask(Ask::Grant { .. }) => {
                assert!(!self.holding && !self.draining && !matches!(self.circuit, Circuit::Open(_)), "intake is shut");
            }
            Action::Circuit(circuit) => self.circuit = *circuit,
            Action::Blocked(blocked) => {
                assert!(self.blocked.insert(blocked.partition.number, blocked.clone()).is_none(), "told once");
            }
            Action::Unblocked(partition) => {
                assert!(self.blocked.remove(&partition.number).is_some(), "told before");
            }
            Action::Paused(paused) => {
                assert_ne!(self.paused, *paused, "told once");
                self.paused = *paused;
            }
            Action::Ask(_) | Action::MetadataIgnored(..) | Action::Record(_) | Action::Transact { .. } => {}
        }
    }
}

/// A dead letter is the original, byte for byte, with its own headers first. Where those have names of the host's they
/// were hidden, so what is said of the failure is of this record.
fn check_publication(record: &Record, index: u32, publication: &Publication) {
    let id = record.id();
    match &*publication.destination.name {
        "out" => {}
        "dead" => {
            let Record { key, headers, payload, timestamp_ms, .. } = record;
            let is_aside = |name: &str| publication.headers.iter().any(|header| header.name == name.as_bytes());
            assert_eq!((&publication.payload, index), (payload, 0), "{id}: byte for byte");
            if publication.key != *key {
                assert!(key.is_none() && is_aside("cofferdam-dlq-no-key"), "{id}: it says that it had no key");
            }
            if publication.timestamp_ms != *timestamp_ms {
                assert_eq!(publication.timestamp_ms, None, "{id}");
                assert!(is_aside("cofferdam-dlq-timestamp"), "{id}: it says what its timestamp was");
            }
            let own = publication.headers.iter().take(headers.len());
            let own = own.map(|header| (String::from_utf8_lossy(header.name).into_owned(), header.value));
            let hidden = |name: &[u8]| {
                let name = String::from_utf8_lossy(name);
                let is_ours = name.trim_start_matches('_').to_lowercase().starts_with("cofferdam-dlq");
                if is_ours { format!("_{name}") } else { name.into_owned() }
            };
            let expected = headers.iter().map(|header| (hidden(header.name), header.value));
            assert!(own.eq(expected), "{id}: its headers come first");
            let truth = [("source", record.source.to_string()), ("position", record.position.to_string())];
            for (name, truth) in truth {
                let name = format!("cofferdam-dlq-{name}");
                let said = publication.headers.iter().filter(|header| header.name == name.as_bytes());
                assert!(said.map(|header| header.value).all(|said| said == Some(truth.as_bytes())), "{id}: {name}");
            }
        }
        other => assert_eq!((other, index), ("errors", 1), "{id}"),
    }
}
