//! Records whose dead letter is refused for ever hold nobody but their key.

use std::collections::BTreeSet;

use super::record::{Number, Record};
use super::{Case, Judge};
use crate::Promise;

impl Judge {
    /// Every record that a host has by right must have come to its end, but those whose dead letter is refused and those
    /// that wait for such a one.
    pub(super) fn quiet(&mut self, case: Case<'_>) {
        // One that a commit says is finished is never begun again, whether that commit was confirmed or not; it may still hold
        // up others.
        let is_held = |record: &Record| {
            let held = record.receipts.iter().filter(|receipt| !receipt.stale && receipt.settled.is_none());
            held.map(|receipt| receipt.finished || (record.claimed && receipt.attempt == 0)).min()
        };
        let held: Vec<(Number, bool)> =
            (0..).zip(&self.records).filter_map(|(number, record)| Some((number, is_held(record)?))).collect();
        let waiting = held.iter().filter(|(_, is_finished)| !is_finished).map(|(number, _)| *number);
        let waiting: Vec<Number> = waiting.collect();
        let is_refused = |number: &Number| self.records[*number as usize].refused;
        let held: Vec<Number> = held.into_iter().map(|(number, _)| number).collect();
        let mut held_up: BTreeSet<Number> = held.iter().copied().filter(is_refused).collect();
        // One that waits for a refused one may hold up others itself.
        loop {
            let before = held_up.len();
            let more = held.iter().filter(|number| held_up.iter().any(|other| self.holds_up(*other, **number)));
            held_up = more.copied().collect();
            if held_up.len() == before {
                break;
            }
        }
        for number in waiting {
            let wrong = (!held_up.contains(&number)).then_some("waits, but no rejected dead letter blocks it");
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
