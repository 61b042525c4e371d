//! Workers, which end their attempts in any order.

use bytes::Bytes;
use cofferdam_core::event::{DeliveryId, Ended, Event, HandlerId, Trace};
use cofferdam_core::outcome::{Failure, Outcome};
use cofferdam_core::output::Publication;

use super::World;
use crate::What;

impl World {
    /// Ids of the records that are with a worker of the host, in the order in which they were handed out.
    pub fn in_hand(&self) -> Vec<String> {
        let record = |id| self.record_id(id).expect("known while something of it is out");
        self.host().running.iter().map(|id| record(*id)).collect()
    }

    /// Number of the attempt on this record that is with a worker of the host.
    ///
    /// # Panics
    /// If there is none.
    pub fn attempt(&self, record: &str) -> u32 {
        let id = self.host().running[self.place(record)];
        self.machine().delivery(id).expect("known while something of it is out").attempt()
    }

    fn place(&self, record: &str) -> usize {
        self.in_hand().iter().position(|id| id == record).expect("with a worker")
    }

    /// The host's attempt on this record ends well, with so many outputs.
    ///
    /// # Panics
    /// If there is none.
    pub fn done(&mut self, record: &str, outputs: u32) {
        self.end_well(self.place(record), outputs);
    }

    /// The host's attempt on this record fails.
    ///
    /// # Panics
    /// If there is none.
    pub fn fail(&mut self, record: &str, failure: Failure) {
        self.end(self.place(record), failure.into());
    }

    pub(super) fn end_well(&mut self, index: usize, outputs: u32) {
        let of = &self.in_hand()[index];
        let output = |index| Publication {
            // The second is as large as many records.
            payload: Some(Bytes::from(format!("{of}/{index}{}", "x".repeat(400 * index as usize)))),
            ..super::output()
        };
        let outputs = (0..outputs).map(output).collect();
        self.end(index, Outcome::Done(outputs));
    }

    pub(super) fn end(&mut self, index: usize, outcome: Outcome<Vec<Publication>>) {
        let id = self.host_mut().running.swap_remove(index);
        if self.host_mut().known.remove(&id) {
            return self.suppress(id);
        }
        let of = self.record_id(id).expect("known while something of it is out");
        let delivery = self.machine().delivery(id).expect("as before");
        let (attempt, live) = (delivery.attempt(), delivery.is_live());
        let outputs = match &outcome {
            Outcome::Done(outputs) => u32::try_from(outputs.len()).expect("few"),
            Outcome::Failed(_) => 0,
        };
        let record = of.as_str().into();
        self.note(match live {
            true => What::Handled { record, attempt, outcome: outcome.class(), outputs },
            false => What::Discarded { record, attempt },
        });
        let handler = HandlerId { name: "price".into(), digest: "sha256:00".into() };
        let trace = Trace { message: of.into(), correlation: "c-1".into(), traceparent: None, tracestate: None };
        let ended = Ended { handler: Some(handler.into()), trace, ..Ended::new(outcome) };
        self.tell(Event::Ended(id, Box::new(ended)));
    }

    /// The store of ids knew the event: the handler is not called.
    fn suppress(&mut self, id: DeliveryId) {
        let delivery = self.machine().delivery(id).expect("known while something of it is out");
        let (record, attempt) = (delivery.record().id().into(), delivery.attempt());
        self.note(match delivery.is_live() {
            true => What::Suppressed { record, attempt },
            false => What::Discarded { record, attempt },
        });
        self.tell(Event::Known(id));
    }
}
