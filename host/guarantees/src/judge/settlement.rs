//! Effects, and what may be acknowledged once they are durable.

use super::partition::Asked;
use super::record::{Number, Receipt};
use super::{Case, Judge};
use crate::{Effect, Promise};

/// A commit: the offset, what is finished above it, and the attempts made there.
type Commit<'a> = (i64, &'a [(i64, i64)], &'a [(i64, u32)]);

impl Judge {
    pub(super) fn durable(&mut self, case: Case<'_>, host: u32, id: &str, effect: Effect) {
        let Some(number) = self.number(case, id) else { return };
        if let Some(receipt) = self.records[number as usize].emitting(host, effect) {
            receipt.effects.insert(effect);
            self.complete_if_it_is(host, number);
        }
        self.late(case, id, effect);
    }

    /// It is there, and no acknowledgement can count on it.
    pub(super) fn late(&mut self, case: Case<'_>, id: &str, effect: Effect) {
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        record.durable.insert(effect);
        let asked = record.asked;
        if let Effect::Output(index) = effect {
            let wrong = (index >= asked).then_some("an output that no successful attempt returned");
            self.check(case, Promise::FailedIsSilent, number, wrong);
        }
    }

    pub(super) fn refused(&mut self, case: Case<'_>, host: u32, id: &str, effect: Effect) {
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        if effect == Effect::DeadLetter {
            record.refused = true;
        }
        if effect != Effect::ErrorEvent {
            return;
        }
        if let Some(receipt) = record.open(host) {
            receipt.no_error_event = true;
            self.complete_if_it_is(host, number);
        }
    }

    pub(super) fn commits(&mut self, case: Case<'_>, host: u32, name: &str, commit: Commit<'_>) {
        let (offset, finished, attempts) = commit;
        let at = self.partition(name);
        let partition = &mut self.partitions[at as usize];
        let believes = partition.believers.contains(&host);
        let by_owner = partition.owner == host;
        let mut settled: Vec<Number> = partition.open.range(..offset).map(|(_, number)| *number).collect();
        settled.extend(finished.iter().flat_map(|(first, end)| partition.open.range(*first..*end)).map(|(_, it)| *it));
        let after = partition.committed;
        partition.ask(Asked {
            host,
            offset,
            by_owner,
            after,
            finished: finished.into(),
            attempts: attempts.into(),
            superseded: false,
        });
        self.hosts.entry(host).or_default().said = Some(at);
        self.checked(Promise::SettledOnce);
        if !believes {
            let text = format!("commits {name}, which it has released or lost");
            self.broken(case, Promise::SettledOnce, "", text);
        }
        for number in settled {
            self.claim(case, host, number, by_owner);
        }
    }

    /// A host asks to be done with the record. What one has settled that has lost the right is not known any more.
    fn claim(&mut self, case: Case<'_>, host: u32, number: Number, by_right: bool) {
        let terms = self.terms;
        let record = &mut self.records[number as usize];
        // What a host has settled before the offset was moved back counts for nothing after.
        if record.again && !by_right {
            return;
        }
        if record.claimed || terms.is_at_most_once() {
            record.claimed = true;
            if record.receipts.iter().all(|receipt| receipt.stale) {
                self.let_pass(number);
            }
            return;
        }
        // What the last owner's transaction has left is seen in the end, if it died before it heard of it.
        if terms.is_exactly_once() && record.receipts.iter().all(|receipt| receipt.host != host) {
            return;
        }
        let mine = record.receipts.iter().filter(|receipt| receipt.host == host);
        let settled = mine.clone().any(|receipt| receipt.end(&terms).is_some());
        record.claimed = true;
        if terms.is_exactly_once() {
            self.complete_if_it_is(host, number);
        }
        let complete = self.records[number as usize].complete.is_some();
        let wrong = (!complete).then_some("acknowledged before all its effects are durable");
        self.check(case, Promise::DurableFirst, number, wrong);
        let wrong = (by_right && !settled).then_some("acknowledged by a host that did not settle it");
        self.check(case, Promise::CommitOrder, number, wrong);
    }

    pub(super) fn committed(&mut self, case: Case<'_>, host: u32, name: &str, offset: i64) {
        let number = self.partition(name);
        let at = number as usize;
        self.checked(Promise::CommitOrder);
        let Some(commit) = self.partitions[at].confirm(host, offset) else {
            let text = format!("{name} is committed up to {offset}, which host {host} did not request");
            return self.broken(case, Promise::CommitOrder, "", text);
        };
        let was_owner = self.vouched_for(host, number);
        if !commit.by_owner && !was_owner {
            let text = format!("{name} is committed by host {host}, which no longer owned it");
            self.broken(case, Promise::CommitOrder, "", text);
        }
        // An offset that went with its topic says nothing of what was committed before.
        if offset < commit.after && !self.partitions[at].deleted {
            let text =
                format!("{name} is committed up to {offset}, which was committed up to {} already", commit.after);
            self.broken(case, Promise::CommitOrder, "", text);
        }
        self.partitions[at].committed = self.partitions[at].committed.max(offset);
        let above = self.partitions[at].open.split_off(&offset);
        let below = std::mem::replace(&mut self.partitions[at].open, above);
        for (offset, number) in below {
            self.partitions[at].held.remove(&offset);
            self.acknowledge(number);
        }
        for (first, end) in commit.finished {
            let finished: Vec<Number> = self.partitions[at].open.range(first..end).map(|(_, number)| *number).collect();
            for number in finished {
                self.records[number as usize].finished = true;
                self.drop_receipts(number, |receipt| !receipt.stale && receipt.settled.is_some());
            }
        }
        for (offset, attempts) in commit.attempts {
            if let Some(number) = self.partitions[at].open.get(&offset).copied() {
                let record = &mut self.records[number as usize];
                record.floor = record.floor.max(attempts + 1);
            }
        }
    }

    /// The broker or queue is done with the record.
    fn acknowledge(&mut self, number: Number) {
        self.records[number as usize].acknowledged = true;
        // At most once, the acknowledgement comes first.
        let first = self.terms.is_at_most_once();
        if !first {
            self.let_pass(number);
        }
        // What was finished before is never begun again, whether the commit that says so was confirmed or not.
        let done = |receipt: &Receipt| receipt.settled.is_some() || (receipt.attempt == 0 && !first);
        self.drop_receipts(number, |receipt| !receipt.stale && done(receipt));
    }

    pub(super) fn deletes(&mut self, case: Case<'_>, host: u32, id: &str) {
        let Some(number) = self.number(case, id) else { return };
        let has = self.records[number as usize].open(host).is_some();
        let wrong = (!has).then_some("deleted by a host that does not own it");
        self.check(case, Promise::SettledOnce, number, wrong);
        self.claim(case, host, number, has);
    }

    pub(super) fn deleted(&mut self, case: Case<'_>, id: &str) {
        let Some(number) = self.number(case, id) else { return };
        self.acknowledge(number);
    }
}
