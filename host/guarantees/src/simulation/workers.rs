//! Workers, which end their attempts in any order, and sinks, which answer later.

use bytes::Bytes;

use super::{Sending, World};
use cofferdam_core::event::{DeliveryId, Ended, Event, HandlerId, Refusal, Trace};
use cofferdam_core::outcome::{Failure, Outcome, Usage};
use cofferdam_core::output::{Destination, Publication};

impl World {
    /// Ids of the records that are with a worker, in the order in which they were handed out.
    pub fn in_hand(&self) -> Vec<String> {
        self.running.iter().map(|id| self.record_id(*id)).collect()
    }

    /// Number of the attempt on this record that is with a worker.
    pub fn attempt(&self, record: &str) -> u32 {
        let id = self.running.iter().find(|id| self.record_id(**id) == record).expect("with a worker");
        self.machine.delivery(*id).expect("known while something of it is out").attempt()
    }

    fn record_id(&self, id: DeliveryId) -> String {
        self.machine.delivery(id).expect("known while something of it is out").record().id()
    }

    /// The attempt on this record ends well, with so many outputs.
    pub fn done(&mut self, record: &str, outputs: usize) {
        let index = self.in_hand().iter().position(|id| id == record).expect("with a worker");
        self.end_well(index, outputs);
    }

    /// The attempt on this record fails.
    pub fn fail(&mut self, record: &str, failure: Failure) {
        let index = self.in_hand().iter().position(|id| id == record).expect("with a worker");
        self.end(index, failure.into());
    }

    pub fn end_well(&mut self, index: usize, outputs: usize) {
        let of = self.record_id(self.running[index]);
        let output = |index| Publication {
            destination: Destination::Kafka("out".into()),
            key: None,
            headers: Vec::new(),
            payload: Some(Bytes::from(format!("{of}/{index}"))),
            timestamp_ms: None,
            group: None,
            deduplication: None,
        };
        self.end(index, Outcome::Done((0..outputs).map(output).collect()));
    }

    pub fn end(&mut self, index: usize, outcome: Outcome<Vec<Publication>>) {
        let id = self.running.swap_remove(index);
        let of = self.record_id(id);
        self.witness.ended(id, &of, &outcome);
        let handler = HandlerId { name: "price".into(), digest: "sha256:00".into() };
        let trace = Trace { message: of.into(), correlation: "c-1".into(), traceparent: None };
        let ended = Ended { outcome, usage: Usage::default(), handler: Some(handler.into()), trace };
        self.tell(Event::Ended(id, Box::new(ended)));
    }

    /// A sink answers one publication.
    pub fn answer(&mut self, index: usize, refusal: Option<Refusal>) {
        let Sending { delivery, index, of, publication } = self.sending.remove(index);
        match refusal {
            None => {
                self.witness.durable(delivery, &of, publication);
                self.tell(Event::Durable { delivery, index });
            }
            Some(refusal) => {
                self.witness.refused(&of, &publication, &refusal);
                self.tell(Event::NotDurable { delivery, index, refusal });
            }
        }
    }

    /// The sinks take all that is with them.
    pub fn store_all(&mut self) {
        while !self.sending.is_empty() {
            self.answer(0, None);
        }
    }
}
