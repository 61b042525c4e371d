//! Transactions, and the store of event ids.

use cofferdam_core::event::{Aborted, DeliveryId, Event, Unanswered};
use cofferdam_core::outcome::Code;

use super::broker::{Asked, positions};
use super::{Client, Sending, World};
use crate::What;

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is committed, if the host has all its partitions still.
    Committed,
    /// It is aborted: the broker cannot be reached, or says no for now.
    Unavailable,
    /// It is aborted because of a publication that is refused whatever comes, or else of the first.
    Rejected,
    /// It is aborted because another process has taken the name.
    Fenced,
    /// The answer is lost. The next ending, whichever, is the look at what the group has committed.
    Unanswered {
        /// It was committed, if the host has all its partitions still; otherwise it was aborted.
        done: bool,
    },
}

impl World {
    /// The broker answers the transaction that is with it.
    pub fn answer_transaction(&mut self, ending: Ending) {
        if self.host().client.transaction.is_none() {
            return;
        }
        if self.host().client.unanswered {
            return self.find_out();
        }
        let is_refused = self.transacted().iter().any(|sending| self.sinks.refuses(sending));
        let would_commit = matches!(ending, Ending::Committed | Ending::Unanswered { .. });
        let ending = if would_commit && is_refused { Ending::Rejected } else { ending };
        let commit = matches!(ending, Ending::Committed | Ending::Unanswered { done: true });
        let publications = if commit { self.commit_transaction() } else { None };
        if let Ending::Unanswered { .. } = ending {
            self.host_mut().client.unanswered = true;
            return;
        }
        let publications = publications.ok_or_else(|| self.transacted());
        let Some((deliveries, asked)) = self.take_transaction() else { return };
        let publications = match publications {
            Ok(_) => {
                let client = &mut self.host_mut().client;
                asked.iter().for_each(|(position, assignment)| client.confirm(position, *assignment));
                return self.tell(Event::Transacted(positions(asked)));
            }
            Err(publications) => publications,
        };
        let refused = publications.iter().find(|sending| self.sinks.refuses(sending)).or(publications.first());
        let rejected = refused.filter(|_| ending == Ending::Rejected);
        let aborted = match (ending, rejected) {
            (Ending::Fenced, _) => Aborted::Fenced("another process has taken the name".into()),
            (_, Some(sending @ Sending { delivery, index, .. })) => {
                let effect = sending.effect();
                let (delivery, index, code) = (*delivery, *index, Code::OUTPUT_TOO_LARGE);
                if let Some(record) = self.record_id(delivery).filter(|_| deliveries.contains(&delivery)) {
                    self.note(What::Refused { record: record.into(), effect });
                }
                Aborted::Rejected { delivery, index, code, text: "1 MB is the most".into() }
            }
            _ => Aborted::Unavailable("no broker answers".into()),
        };
        self.tell(Event::NotTransacted(positions(asked), aborted));
    }

    /// The broker has the offsets of the transaction: from now on it may be committed whoever has the partitions.
    pub fn stage_transaction(&mut self) {
        let client = &mut self.hosts[self.at].client;
        client.staged |= client.transaction.is_some() && !client.unanswered && client.is_current(&self.broker);
    }

    /// Nobody learns what the group has committed of a partition before the transactions have ended whose offsets of it the
    /// broker has; it says later what has become of them.
    pub(super) fn end_staged(&mut self, number: i32) {
        let at = self.at;
        for other in 0..self.hosts.len() {
            let client = &self.hosts[other].client;
            if client.staged && client.in_transaction(number).is_some() {
                self.at = other;
                let is_refused = self.transacted().iter().any(|sending| self.sinks.refuses(sending));
                if !is_refused && self.dice.bool() {
                    self.commit_transaction();
                }
                self.host_mut().client.unanswered = true;
            }
        }
        self.at = at;
    }

    /// The broker commits the transaction that is with it, if it has its offsets or the host has all its partitions still,
    /// and tells nobody. Returns what it made durable.
    pub(super) fn commit_transaction(&mut self) -> Option<Vec<Sending>> {
        let client = &self.host().client;
        if client.unanswered || !(client.staged || client.is_current(&self.broker)) {
            return None;
        }
        let asked = client.asked.clone()?;
        let publications = self.transacted();
        for sending in &publications {
            self.sinks.store(sending);
            self.note_durable(sending.delivery, sending.of.as_str().into(), sending.effect());
        }
        for (position, assignment) in &asked {
            if !self.broker.take(position, *assignment) {
                self.broker.take_staged(position);
            }
            // What a host has given up or lost it does not learn more of.
            let held = self.host().client.holds.get(&position.partition.number);
            if held.is_none_or(|hold| !hold.is(*assignment)) {
                continue;
            }
            self.commits(position);
            let partition = self.name(position.partition.number);
            self.note(What::Committed { partition, offset: position.offset });
        }
        Some(publications)
    }

    /// A host whose transaction was not answered looks at what the group has committed meanwhile.
    fn find_out(&mut self) {
        let Some((_, asked)) = self.take_transaction() else { return };
        let positions = positions(asked.clone());
        let found = Client::found(&positions, &self.broker);
        let unanswered = Unanswered { positions, found, reason: "no broker answers".into() };
        for event in self.machine().decide(unanswered.clone()) {
            if let Event::Transacted(positions) = &event {
                let client = &mut self.hosts[self.at].client;
                let confirmed = asked.iter().filter(|(position, _)| positions.contains(position));
                confirmed.for_each(|(position, assignment)| client.confirm(position, *assignment));
            }
        }
        self.tell(Event::Unanswered(unanswered));
    }

    /// All publications of the transaction, in its order.
    pub(super) fn transacted(&self) -> Vec<Sending> {
        let mut publications = Vec::new();
        for delivery in self.host().client.transaction.iter().flatten() {
            let of = self.machine().delivery(*delivery).expect("known while its transaction is out");
            publications.extend((0..).map_while(|index| {
                let publication = of.publication(index)?.clone();
                Some(Sending { delivery: *delivery, index, of: of.record().id(), publication, lane: None })
            }));
        }
        publications
    }

    fn take_transaction(&mut self) -> Option<(Vec<DeliveryId>, Vec<Asked>)> {
        let client = &mut self.host_mut().client;
        (client.staged, client.unanswered) = (false, false);
        Some((client.transaction.take()?, client.asked.take()?))
    }

    /// The store of ids answers one question of the host: it has recorded the event, and says so or not.
    pub fn answer_record(&mut self, index: usize, recorded: bool, told: bool) {
        let id = self.host_mut().recording.remove(index);
        let event = self.machine().delivery(id).and_then(|delivery| delivery.event()).map(str::to_owned);
        if let Some(event) = event.filter(|_| recorded) {
            self.sinks.record(&event);
        }
        self.tell(if recorded && told {
            Event::Recorded(vec![id])
        } else {
            Event::NotRecorded(vec![id], "no answer".into())
        });
    }
}
