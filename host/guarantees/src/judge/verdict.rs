//! The end of a history.

use super::record::End;
use super::{Case, Judge};
use crate::{Effect, Promise, Report, Violation};

impl Judge {
    pub(super) fn found(&mut self, case: Case<'_>, id: &str, effect: Effect) {
        self.read = true;
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        let again = !record.found.insert(effect);
        let once = !record.again;
        // A handler that comes to another end gives outputs where those behind have met a dead letter.
        let is_repeated = record.at_risk || record.refused;
        let in_place = once && self.terms.sinks_keep_order && (self.terms.handlers_agree || !is_repeated);
        let (asked, lane) = (record.asked, record.lane.filter(|_| !again && in_place));
        let outputs = record.found.iter().any(|one| matches!(one, Effect::Output(_)));
        let both = outputs && record.found.contains(Effect::DeadLetter);
        self.report.figures.found_again += u64::from(again);
        if self.terms.is_exactly_once() && once {
            let wrong = if again {
                Some(format!("{effect} is found twice"))
            } else {
                both.then(|| "outputs and a dead letter are found".to_owned())
            };
            self.check(case, Promise::ExactlyOnce, number, wrong);
        }
        if let (Effect::DeadLetter, Some(lane)) = (effect, lane) {
            let in_order = self.lanes[lane as usize].find_dead_letter(number);
            let wrong =
                (!in_order).then_some("its dead letter is found after the dead letter of a later record of its key");
            self.check(case, Promise::KeyOrder, number, wrong);
        }
        if let Effect::Output(index) = effect {
            if let Some(lane) = lane {
                let in_order = self.lanes[lane as usize].find((number, index));
                let wrong = (!in_order).then_some("found after an output of a later record of its key");
                self.check(case, Promise::KeyOrder, number, wrong);
            }
            let wrong = (index >= asked).then_some("found, but no successful attempt returned it");
            self.check(case, Promise::FailedIsSilent, number, wrong);
        }
    }

    /// Ends the history.
    #[must_use]
    pub fn finish(mut self) -> Report {
        for number in 0..self.records.len() {
            self.close(number);
        }
        let (repeats, at_risk) = (self.report.figures.repeats, self.report.figures.at_risk);
        self.checked(Promise::RepeatsBounded);
        if repeats > at_risk {
            let text = format!("{repeats} records were handled again, {at_risk} were in flight at faults");
            self.violated(Violation { promise: Promise::RepeatsBounded, record: None, text, fact: None });
        }
        self.report
    }

    fn close(&mut self, number: usize) {
        let record = &self.records[number];
        // Of a host that dies the last question may have been answered well. Of a transaction not even the question is
        // known: what it has left says so.
        let unknown = record.claimed || self.terms.is_exactly_once();
        let acknowledged = record.acknowledged || (unknown && !record.outstanding);
        let (outstanding, gone) = (record.outstanding, record.gone || record.moved);
        let complete = record.complete.or_else(|| record.end_as_found().filter(|_| self.terms.is_exactly_once()));
        // At most once is what it says.
        let unseen = self.terms.is_exactly_once() && !self.read;
        let may_be_lost = unseen || (self.terms.is_at_most_once() && record.at_risk);
        let missing = record.durable.missing_in(&record.found).filter(|_| self.read);
        let figures = &mut self.report.figures;
        figures.outstanding += u64::from(outstanding);
        match complete.filter(|_| acknowledged) {
            Some(End::Handled) => figures.handled += 1,
            Some(End::Stored) => figures.dead_lettered += 1,
            Some(End::Suppressed) => figures.duplicates += 1,
            Some(End::Ignored) => figures.ignored += 1,
            None => {}
        }
        let wrong = match (acknowledged, outstanding) {
            (true, true) => Some("acknowledged and outstanding at once"),
            (false, false) if !gone => Some("neither acknowledged nor outstanding"),
            _ => None,
        };
        self.close_with(number, Promise::OneEnd, wrong.map(Into::into));
        // What its queue has moved away stands there as it came.
        let wrong = if acknowledged && complete.is_none() && !may_be_lost && !gone {
            Some("acknowledged without an effect".to_owned())
        } else if let Some(effect) = missing {
            Some(format!("{effect} was reported durable and is missing"))
        } else {
            (outstanding && self.terms.comes_to_an_end).then(|| "still outstanding at the end".to_owned())
        };
        self.close_with(number, Promise::NothingLost, wrong);
    }

    fn close_with(&mut self, number: usize, promise: Promise, wrong: Option<String>) {
        self.checked(promise);
        if let Some(text) = wrong {
            let record = Some(self.records[number].id.as_ref().into());
            self.violated(Violation { promise, record, text, fact: None });
        }
    }
}
