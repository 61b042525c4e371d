//! Transactions, and the store of event ids.

use cofferdam_core::action::Position;
use cofferdam_core::event::{Aborted, DeliveryId, Event};
use cofferdam_core::outcome::Code;

use super::{Sending, World, name};
use crate::What;

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is committed, if the host has all its partitions still.
    Committed,
    /// It is aborted: the broker cannot be reached, or says no for now.
    Unavailable,
    /// It is aborted because of the first publication of its first delivery that has one.
    Rejected,
    /// It is aborted because another process has taken the name.
    Fenced,
}

impl World {
    /// The broker answers the transaction that is with it.
    pub fn answer_transaction(&mut self, ending: Ending) {
        if self.host().client.transaction.is_none() {
            return;
        }
        let commit = ending == Ending::Committed && self.host().client.is_current(&self.broker);
        let publications = if commit { self.commit_transaction() } else { self.transacted() };
        let Some((deliveries, positions)) = self.take_transaction() else { return };
        if commit {
            for sending in &publications {
                self.note_durable(sending.delivery, sending.of.as_str().into(), sending.effect());
            }
            for position in &positions {
                self.commits(position);
                self.note(What::Committed { partition: name(position.partition.number), offset: position.offset });
            }
            return self.tell(Event::Transacted(positions));
        }
        let rejected = publications.first().filter(|_| ending == Ending::Rejected);
        let aborted = match (ending, rejected) {
            (Ending::Fenced, _) => Aborted::Fenced("another process has taken the name".into()),
            (_, Some(Sending { delivery, index, .. })) => {
                let (delivery, index, code) = (*delivery, *index, Code::OUTPUT_TOO_LARGE);
                if let Some(record) = self.record_id(delivery).filter(|_| deliveries.contains(&delivery)) {
                    let effect = publications[0].effect();
                    self.note(What::Refused { record: record.into(), effect });
                }
                Aborted::Rejected { delivery, index, code, text: "1 MB is the most".into() }
            }
            _ => Aborted::Unavailable("no broker answers".into()),
        };
        self.tell(Event::NotTransacted(positions, aborted));
    }

    /// The broker commits the transaction that is with it, if it may, and tells nobody.
    pub(super) fn commit_transaction(&mut self) -> Vec<Sending> {
        let publications = self.transacted();
        publications.iter().for_each(|sending| self.sinks.store(sending));
        let host = &mut self.hosts[self.at];
        for (position, assignment) in host.client.asked.clone().into_iter().flatten() {
            let taken = self.broker.take(&position, assignment);
            assert!(taken, "looked at before");
            host.client.confirm(&position);
        }
        publications
    }

    /// All publications of the transaction, in its order.
    fn transacted(&self) -> Vec<Sending> {
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

    fn take_transaction(&mut self) -> Option<(Vec<DeliveryId>, Vec<Position>)> {
        let client = &mut self.host_mut().client;
        let positions = client.asked.take()?.into_iter().map(|(position, _)| position).collect();
        Some((client.transaction.take()?, positions))
    }

    /// The store of ids answers one question of the host: it has recorded the event, and says so or not.
    pub fn answer_record(&mut self, index: usize, recorded: bool, told: bool) {
        let id = self.host_mut().recording.remove(index);
        let event = self.machine().delivery(id).and_then(|delivery| delivery.event()).map(str::to_owned);
        if let Some(event) = event.filter(|_| recorded) {
            self.sinks.record(&event);
        }
        self.tell(if recorded && told { Event::Recorded(vec![id]) } else { Event::NotRecorded(vec![id]) });
    }
}
