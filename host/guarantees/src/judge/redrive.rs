//! Receives that hosts cost a message, and queues that move away what was received too often.

use super::record::Number;
use super::{Case, Judge};
use crate::Promise;

impl Judge {
    /// A host hands a message back that it has by right, or had.
    pub(super) fn handed_back(&mut self, case: Case<'_>, host: u32, number: Number, begun: bool, excused: bool) {
        let draining = self.hosts.get(&host).is_some_and(|host| host.draining);
        let wrong = (!begun && !draining && !excused).then_some("returned without an attempt by a running host");
        self.check(case, Promise::NotMoved, number, wrong);
        self.records[number as usize].handed_back = !excused;
    }

    /// The lease of this message is lost: those behind it in its lane have to go back.
    pub(super) fn excuse_those_behind(&mut self, host: u32, number: Number) {
        let Some(lane) = self.records[number as usize].lane else { return };
        let held: Vec<Number> = self.hosts.get(&host).into_iter().flat_map(|host| &host.records).copied().collect();
        for other in held {
            let record = &mut self.records[other as usize];
            if record.lane == Some(lane) {
                let mine = record.receipts.iter_mut().filter(|receipt| receipt.host == host);
                mine.for_each(|receipt| receipt.behind_a_loss = true);
            }
        }
    }

    pub(super) fn redriven(&mut self, case: Case<'_>, id: &str) {
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        record.moved = true;
        let wrong = record.handed_back.then_some("moved away by its queue after its host returned it");
        self.check(case, Promise::NotMoved, number, wrong);
        // Its lease has ended, and the host that had it may not know.
        self.taken_from_all(number);
        self.let_pass(number);
    }
}
