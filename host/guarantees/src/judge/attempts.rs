//! Attempts: in order, one at a time, counted, and no more of them than need be.

use cofferdam_core::outcome::Class;

use super::lane::Running;
use super::record::{End, Number, Record};
use super::{Case, Judge};
use crate::{Promise, Since, Violation};

/// Whether a failure of this class uses an attempt up, whatever the route says.
pub(super) fn counts(class: Class) -> bool {
    matches!(class, Class::Retryable | Class::TimedOut | Class::Trapped | Class::OutOfMemory | Class::ContractBroken)
}

impl Judge {
    pub(super) fn handling(&mut self, case: Case<'_>, host: u32, id: &str, attempt: u32) {
        let Some(number) = self.number(case, id) else { return };
        self.report.figures.attempts += 1;
        self.check_pause(case, host, number);
        let record = &mut self.records[number as usize];
        let Some(receipt) = record.open(host) else {
            return self.check(case, Promise::SettledOnce, number, Some("handled by a host that does not own it"));
        };
        let (stale, first, was_running) = (receipt.stale, receipt.attempt == 0, receipt.running);
        let (before, last, goes_on) = (receipt.attempt, receipt.last, receipt.goes_on);
        receipt.attempt = attempt;
        receipt.running = true;
        receipt.last = None;
        self.report.figures.zombies += u64::from(stale);
        self.check(case, Promise::SettledOnce, number, None::<&str>);
        self.check(case, Promise::KeyOrder, number, was_running.then_some("two attempts at once"));
        self.check_order(case, host, number, (attempt, stale, first));
        if first {
            self.check_first_number(case, (number, host), attempt, stale);
            self.check_repeat(case, number, (stale, goes_on));
        } else {
            let low = before + u32::from(last.is_some_and(counts));
            let wrong = attempt < low || attempt > before + 1;
            let wrong = wrong.then(|| format!("attempt {attempt} after attempt {before}, which ended {last:?}"));
            self.check(case, Promise::AttemptsCounted, number, wrong);
        }
        let most = self.terms.max_attempts;
        let wrong = (attempt > most).then(|| format!("attempt {attempt} of {most}"));
        self.check(case, Promise::AttemptsCounted, number, wrong);
        if !stale {
            let record = &mut self.records[number as usize];
            record.highest = record.highest.max(attempt);
        }
    }

    fn check_order(&mut self, case: Case<'_>, host: u32, number: Number, what: (u32, bool, bool)) {
        let (attempt, stale, first) = what;
        let record = &self.records[number as usize];
        let Some(lane) = record.lane else { return };
        // At most once, a queue is rid of a message before it is handled, and its group goes on elsewhere.
        let alone = record.place.is_none() && self.terms.is_at_most_once();
        // A message whose lease was lost once all was durable comes again when it likes: those behind it went on.
        let astray = record.place.is_none() && record.complete.is_some();
        let again = record.place.is_some() && record.claimed && !stale;
        let retried = attempt > 1 && record.highest + 1 >= attempt && !first;
        let lane = &mut self.lanes[lane as usize];
        let conflict = lane.conflict(host, stale || astray || alone);
        let earlier = lane.ahead.first().copied().filter(|earlier| *earlier < number && !stale && !astray && !alone);
        let later = Some(lane.last).filter(|later| *later > number && retried && !stale && !astray && !alone);
        if !stale && !astray {
            lane.last = number;
        }
        lane.start(Running { record: number, host, attempt, stale: stale || astray });
        if again {
            lane.ahead.insert(number);
        }
        let wrong = conflict.map(|other| {
            let id = &self.records[other.record as usize].id;
            format!("host {} is handling its key with {id}", other.host)
        });
        self.check(case, Promise::KeyOrder, number, wrong);
        let wrong = later.map(|later| format!("is retried after {}", self.records[later as usize].id));
        self.check(case, Promise::KeyOrder, number, wrong);
        let wrong = earlier.map(|earlier| format!("overtakes {}", self.records[earlier as usize].id));
        self.check(case, Promise::KeyOrder, number, wrong);
    }

    /// The first attempt of a receipt goes on where the last one that is known for good ended. A queue counts
    /// receipts, so there a number may be higher than the attempts that were made; where it does not, only who has handed
    /// the message back knows of them.
    fn check_first_number(&mut self, case: Case<'_>, (number, host): (Number, u32), attempt: u32, stale: bool) {
        let Record { place, highest, floor, complete, returned_by, .. } = &self.records[number as usize];
        // Who has lost it knows nothing of what came after, and of what is finished the attempts are forgotten.
        // On a topic an attempt begins only when the broker knows of all before it.
        let known = if place.is_some() { (*floor).max(*highest) } else { *floor };
        // A receive that only a queue has counted may be no attempt, so it never stands for the last one.
        let most = if place.is_some() { self.terms.max_attempts } else { (self.terms.max_attempts - 1).max(1) };
        let is_news = place.is_none() && !self.terms.counts_deliveries && *returned_by != host;
        let low = if stale || is_news || complete.is_some() { 1 } else { known.min(most) };
        let high = if place.is_some() && !stale { highest + 1 } else { u32::MAX };
        let wrong = (attempt < low || attempt > high)
            .then(|| format!("begins with attempt {attempt}; {highest} were made and {} are committed", low - 1));
        self.check(case, Promise::AttemptsCounted, number, wrong);
    }

    /// A host that has lost the record without knowing was at risk to repeat it when it lost it. Where it `goes_on` with a
    /// repeat, it makes no further one: the other owner does.
    fn check_repeat(&mut self, case: Case<'_>, number: Number, (stale, goes_on): (bool, bool)) {
        let in_transactions = self.terms.is_exactly_once();
        let record = &mut self.records[number as usize];
        // What is ignored has no effects, and its handler was not called. In transactions an attempt counts for nothing
        // until its offset is committed, and what waits for that is given up when the partition is.
        let complete = record.complete.is_some_and(|end| end != End::Ignored) && (!in_transactions || record.claimed);
        if stale {
            self.report.figures.repeats += u64::from(complete && !goes_on);
            return;
        }
        let licensed = std::mem::take(&mut record.licensed);
        record.repeating |= licensed;
        if self.terms.is_at_most_once() {
            let wrong = (record.highest > 0).then_some("handled again");
            return self.check(case, Promise::RepeatsBounded, number, wrong);
        }
        if !complete {
            return;
        }
        let wrong = (!record.repeating).then_some("handled again without being in flight at a fault");
        self.report.figures.repeats += u64::from(licensed || wrong.is_some());
        self.check(case, Promise::RepeatsBounded, number, wrong);
    }

    pub(super) fn handled(&mut self, case: Case<'_>, host: u32, id: &str, how: (u32, Class, u32)) {
        let (attempt, outcome, outputs) = how;
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        if let Some(lane) = record.lane {
            self.lanes[lane as usize].end(host, number, attempt, false);
        }
        let done = outcome == Class::Done;
        if done {
            record.asked = record.asked.max(outputs);
        }
        let wrong = (!done && outputs > 0).then_some("a failed attempt has outputs");
        let queued = record.place.is_none();
        if let Some(receipt) = record.running(host, attempt) {
            receipt.running = false;
            receipt.last = Some(outcome);
            receipt.done = done.then_some(outputs);
            receipt.effects = super::effects::Effects::default();
            receipt.completed = None;
            let by_right = !receipt.stale;
            if by_right {
                record.last_asked = done.then_some(outputs);
            }
            // On a topic the outputs are on their way in order, and the commit waits for them. In a transaction a dead
            // letter is on its way like them; whether there will be another attempt is seen when it begins.
            if by_right && !queued && (done || self.terms.is_exactly_once()) {
                self.let_pass(number);
            }
            self.complete_if_it_is(host, number);
        }
        self.check(case, Promise::FailedIsSilent, number, wrong);
    }

    pub(super) fn suppressed(&mut self, case: Case<'_>, host: u32, id: &str, attempt: u32) {
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        if let Some(lane) = record.lane {
            self.lanes[lane as usize].end(host, number, attempt, false);
        }
        let handled = record.event.is_some_and(|event| self.events[event as usize]);
        if let Some(receipt) = record.running(host, attempt) {
            (receipt.running, receipt.suppressed) = (false, true);
            self.complete_if_it_is(host, number);
        }
        let wrong = (!handled).then_some("suppressed as a duplicate, but its event was never handled");
        self.check(case, Promise::NothingLost, number, wrong);
    }

    pub(super) fn discarded(&mut self, case: Case<'_>, host: u32, id: &str, attempt: u32) {
        let Some(number) = self.number(case, id) else { return };
        if let Some(lane) = self.records[number as usize].lane {
            self.lanes[lane as usize].end(host, number, attempt, true);
        }
    }

    /// Notes that all the record leads to is durable, if it is now.
    pub(super) fn complete_if_it_is(&mut self, host: u32, number: Number) {
        let (terms, now, calm) = (self.terms, self.now, self.calm);
        let record = &mut self.records[number as usize];
        let mut passes = false;
        let mut taken = None;
        // What has no effects is done when a transaction takes its offset along.
        let waits = terms.is_exactly_once() && !record.claimed;
        let mine = record.receipts.iter_mut().filter(|receipt| receipt.host == host);
        for receipt in mine {
            let Some(end) = receipt.end(&terms).filter(|end| *end != End::Handled || !waits || receipt.done > Some(0))
            else {
                continue;
            };
            if receipt.completed.replace(end) == Some(end) {
                continue;
            }
            record.complete = Some(end);
            if let (End::Handled, Some(event)) = (end, record.event) {
                self.events[event as usize] = true;
            }
            passes |= !receipt.stale;
            if let Some(limit) = terms.limit.filter(|_| !receipt.stale && !receipt.finished) {
                let since = match limit.since {
                    Since::Receipt => Some(receipt.since),
                    Since::Calm => calm.map(|calm| calm.max(record.produced)),
                };
                taken = since.map(|since| (now.since(since), limit.within));
            }
        }
        if passes {
            record.repeating = false;
            self.let_pass(number);
        }
        if let Some((taken, within)) = taken {
            self.checked(Promise::Timely);
            let milliseconds = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
            self.report.figures.slowest_ms = self.report.figures.slowest_ms.max(milliseconds);
            if taken > within {
                let record = Some(self.records[number as usize].id.as_ref().into());
                let text = format!("ended after {taken:?}; expected at most {within:?}");
                self.violated(Violation { promise: Promise::Timely, record, text, fact: None });
            }
        }
    }
}
