//! Records whose dead letter is refused for ever hold nobody but their key.

use std::collections::BTreeSet;

use super::record::{Number, Record};
use super::{Case, Judge};
use crate::Promise;

impl Judge {
    /// Every record that a host has by right must have come to its end, but those whose dead letter is refused and those
    /// that wait for such a one.
    pub(super) fn quiet(&mut self, case: Case<'_>) {
        // One that a commit says is finished is never begun again, whether that commit was confirmed or not.
        let has = |record: &Record| {
            record.receipts.iter().any(|receipt| {
                let is_finished = receipt.finished || (record.claimed && receipt.attempt == 0);
                !receipt.stale && !is_finished && receipt.settled.is_none()
            })
        };
        let waiting: Vec<Number> =
            (0..).zip(&self.records).filter(|(_, record)| has(record)).map(|(number, _)| number).collect();
        let is_refused = |number: &Number| self.records[*number as usize].refused;
        let mut held_up: BTreeSet<Number> = waiting.iter().copied().filter(is_refused).collect();
        // One that waits for a refused one may hold up others itself.
        loop {
            let before = held_up.len();
            let more = waiting.iter().filter(|number| held_up.iter().any(|other| self.holds_up(*other, **number)));
            held_up = more.copied().collect();
            if held_up.len() == before {
                break;
            }
        }
        for number in waiting {
            let wrong = (!held_up.contains(&number)).then_some("waits, and no refused dead letter is in its way");
            self.check(case, Promise::OthersGoOn, number, wrong);
        }
    }

    /// Whether the one record may hold the other up: it is the same, is ahead of it in its lane, carries the same event, or
    /// has to be in an earlier transaction.
    fn holds_up(&self, one: Number, number: Number) -> bool {
        let (first, second) = (one, number);
        let (one, other) = (&self.records[one as usize], &self.records[number as usize]);
        // A queue that is rid of a message before it is handled gives the next of its group to anybody.
        let is_unordered = self.terms.is_at_most_once() && one.place.is_none();
        let same_lane = one.lane.is_some() && one.lane == other.lane && (first < second || is_unordered);
        let same_event = one.event.is_some() && one.event == other.event;
        let earlier = match (one.place, other.place) {
            (Some((here, at)), Some((there, behind))) => here == there && at < behind,
            _ => false,
        };
        first == second || same_lane || same_event || (self.terms.is_exactly_once() && earlier)
    }
}
