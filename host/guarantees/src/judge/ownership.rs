//! Who has what: partitions and leases come and go, hosts die.

use cofferdam_core::action::Fate;
use cofferdam_core::route::Guarantee;

use super::partition::Before;
use super::record::{Number, Receipt, Record};
use super::{Case, Judge};
use crate::{Promise, What};

/// How a right ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By a fault: what was in flight may be repeated.
    Fault,
    /// In good order: the broker knows all that is settled, since finished offsets travel with commits.
    Orderly,
}

impl Judge {
    pub(super) fn assigned(&mut self, host: u32, name: &str) {
        let number = self.partition(name);
        let before = self.believing_owner(number).filter(|before| before.host != host);
        // Whoever had it does not have it any more, and may not know.
        self.disown_partition(number, Ending::Fault);
        let partition = &mut self.partitions[number as usize];
        partition.owner = host;
        partition.before = before.or(partition.before.take()).filter(|before| before.host != host);
        partition.believers.insert(host);
        // What was asked for under an assignment before is of no interest to this one.
        partition.asked.iter_mut().for_each(|asked| asked.superseded = true);
    }

    pub(super) fn lost(&mut self, host: u32, name: &str) {
        let number = self.partition(name);
        let partition = &mut self.partitions[number as usize];
        partition.forget(host);
        if partition.owner == host {
            self.disown_partition(number, Ending::Fault);
        }
    }

    /// What the owner of a partition has, if it thinks so too.
    fn believing_owner(&self, number: u32) -> Option<Before> {
        let partition = &self.partitions[number as usize];
        let host = partition.owner;
        // At most once, what is acknowledged is gone with the right to it.
        if !partition.believers.contains(&host) || self.terms.is_at_most_once() {
            return None;
        }
        let records = partition.held.iter().filter_map(|offset| partition.open.get(offset));
        let of_host = |number: &Number| {
            let mut receipts = self.records[*number as usize].receipts.iter();
            Some((*number, receipts.find(|receipt| receipt.host == host && !receipt.stale)?.clone()))
        };
        Some(Before { host, receipts: records.filter_map(of_host).collect() })
    }

    /// The broker has taken a commit of this host. It takes those of members alone, so an assignment of another host that
    /// was heard of before had been withdrawn already: answers may take long. Whoever had the partition has had it all the
    /// time. Returns whether it is so.
    pub(super) fn vouched_for(&mut self, host: u32, number: u32) -> bool {
        let partition = &mut self.partitions[number as usize];
        let before = partition.before.take();
        let Some(before) = before.filter(|before| before.host == host && partition.owner != host) else { return false };
        if partition.believers.contains(&host) {
            self.disown_partition(number, Ending::Fault);
            self.reinstate(number, before);
        }
        true
    }

    fn reinstate(&mut self, at: u32, Before { host, receipts }: Before) {
        let partition = &mut self.partitions[at as usize];
        partition.owner = host;
        for asked in partition.asked.iter_mut().filter(|asked| asked.host == host) {
            (asked.by_owner, asked.superseded) = (true, false);
        }
        for (number, mut saved) in receipts {
            let record = &mut self.records[number as usize];
            // It was settled, and kept for nobody.
            if !record.acknowledged && record.receipts.iter().all(|receipt| receipt.host != host) {
                saved.stale = true;
                record.receipts.push(saved);
                self.hosts.entry(host).or_default().records.insert(number);
            }
        }
        let open: Vec<(i64, Number)> = partition.open.iter().map(|(offset, number)| (*offset, *number)).collect();
        for (offset, number) in open {
            let record = &mut self.records[number as usize];
            let receipt = record.receipts.iter_mut().rfind(|receipt| receipt.host == host);
            // Attempts of who has not had it count for nobody, nor does the order in which they were begun.
            record.highest = receipt.as_ref().map_or(0, |receipt| receipt.attempt).max(record.floor.saturating_sub(1));
            if let Some(lane) = record.lane {
                self.lanes[lane as usize].last = 0;
            }
            let Some(receipt) = receipt else { continue };
            self.partitions[at as usize].held.insert(offset);
            if std::mem::take(&mut receipt.stale) && !receipt.known {
                self.hosts.entry(host).or_default().in_flight += 1;
            }
            let is_through = receipt.done.is_some() || receipt.completed.is_some();
            if let Some(lane) = record.lane {
                self.lanes[lane as usize].own(host, number);
            }
            if is_through {
                self.let_pass(number);
            }
        }
    }

    pub(super) fn gave_up(&mut self, case: Case<'_>, host: u32, name: &str) {
        let number = self.partition(name);
        let partition = &mut self.partitions[number as usize];
        partition.believers.remove(&host);
        if partition.owner != host {
            return;
        }
        let known = !partition.is_unconfirmed(host);
        // What the broker has not answered by then may be refused, and nobody would ask again.
        let said = self.hosts.get(&host).is_some_and(|host| host.said == Some(number));
        self.checked(Promise::RepeatsBounded);
        if !known && !said {
            let text = format!("{name} is released with an unconfirmed commit that was not repeated");
            self.broken(case, Promise::RepeatsBounded, "", text);
        }
        self.check_all_settled(case, host, number);
        self.disown_partition(number, if known { Ending::Orderly } else { Ending::Fault });
    }

    /// What a host gives up it has settled; what it never began it may leave as it is.
    fn check_all_settled(&mut self, case: Case<'_>, host: u32, partition: u32) {
        let partition = &self.partitions[partition as usize];
        let held: Vec<Number> =
            partition.held.iter().filter_map(|offset| partition.open.get(offset)).copied().collect();
        for number in held {
            let receipt = self.records[number as usize].open(host);
            let begun = receipt.is_some_and(|receipt| receipt.attempt > 0);
            self.check(case, Promise::SettledOnce, number, begun.then_some("released without being settled"));
        }
    }

    /// The owner of a partition, if there is one, has lost its right.
    pub(super) fn disown_partition(&mut self, number: u32, ending: Ending) {
        let partition = &mut self.partitions[number as usize];
        let owner = std::mem::take(&mut partition.owner);
        let held = std::mem::take(&mut partition.held);
        if owner == 0 {
            return;
        }
        self.report.figures.faults += u64::from(ending == Ending::Fault);
        let open = &self.partitions[number as usize].open;
        let mut records: Vec<Number> = held.iter().filter_map(|offset| open.get(offset)).copied().collect();
        if self.terms.is_at_most_once() {
            // They are acknowledged, and not handled yet.
            let held = self.hosts.get(&owner).into_iter().flat_map(|host| &host.records).copied();
            let here = |record: &Number| {
                self.records[*record as usize].place.is_some_and(|(partition, _)| partition == number)
            };
            records.extend(held.filter(here));
        }
        for record in records {
            self.disown(owner, record, ending);
        }
    }

    /// The host has lost its right to the record.
    pub(super) fn disown(&mut self, host: u32, number: Number, ending: Ending) {
        let record = &mut self.records[number as usize];
        let Some(receipt) = record.receipts.iter_mut().find(|receipt| receipt.host == host && !receipt.stale) else {
            return;
        };
        receipt.stale = true;
        if let Some(host) = self.hosts.get_mut(&host).filter(|_| !receipt.known) {
            host.in_flight -= 1;
        }
        if ending == Ending::Fault && (!receipt.finished || receipt.attempt > 0) {
            (record.licensed, record.at_risk) = (true, true);
            self.report.figures.at_risk += 1;
        }
        let gone = self.terms.is_at_most_once() && record.claimed;
        if let Some(lane) = record.lane {
            self.lanes[lane as usize].disown(host, number);
        }
        // Acknowledged first, and not handled: nobody else will.
        if gone {
            self.let_pass(number);
        }
        self.drop_receipts(number, |receipt| receipt.stale && receipt.settled.is_some());
    }

    pub(super) fn drop_receipts(&mut self, number: Number, which: impl Fn(&Receipt) -> bool) {
        let Record { receipts, place, .. } = &mut self.records[number as usize];
        let gone = receipts.iter().filter(|receipt| which(receipt));
        let gone: Vec<(u32, bool)> = gone.map(|receipt| (receipt.host, receipt.stale || receipt.known)).collect();
        if let Some(before) = place.and_then(|(partition, _)| self.partitions[partition as usize].before.as_mut()) {
            let its = receipts.iter().filter(|receipt| receipt.host == before.host && which(receipt));
            before.receipts.extend(its.map(|receipt| (number, receipt.clone())));
        }
        receipts.retain(|receipt| !which(receipt));
        for (host, counts_not) in gone {
            let left = receipts.iter().any(|receipt| receipt.host == host);
            let Some(host) = self.hosts.get_mut(&host) else { continue };
            host.in_flight -= u64::from(!counts_not);
            if !left {
                host.records.remove(&number);
            }
        }
    }

    /// A process is gone, with all that it had in memory.
    fn bury(&mut self, host: u32, ending: Ending) {
        for number in self.hosts.remove(&host).unwrap_or_default().records {
            self.disown(host, number, ending);
            let record = &mut self.records[number as usize];
            record.receipts.retain(|receipt| receipt.host != host);
            if let Some(lane) = record.lane {
                self.lanes[lane as usize].bury(host);
            }
        }
        for partition in &mut self.partitions {
            partition.forget(host);
            if partition.owner == host {
                partition.owner = 0;
                partition.held.clear();
            }
        }
    }

    pub(super) fn killed(&mut self, host: u32) {
        self.report.figures.faults += 1;
        self.bury(host, Ending::Fault);
    }

    pub(super) fn stopped(&mut self, case: Case<'_>, host: u32) {
        let owned: Vec<u32> =
            (0..).zip(&self.partitions).filter(|(_, one)| one.owner == host).map(|(at, _)| at).collect();
        for number in owned {
            let known = !self.partitions[number as usize].is_unconfirmed(host);
            self.check_all_settled(case, host, number);
            self.disown_partition(number, if known { Ending::Orderly } else { Ending::Fault });
        }
        self.bury(host, Ending::Orderly);
    }

    pub(super) fn lease_lost(&mut self, case: Case<'_>, host: u32, id: &str) {
        let Some(number) = self.number(case, id) else { return };
        self.report.figures.faults += 1;
        self.excuse_those_behind(host, number);
        self.disown(host, number, Ending::Fault);
    }

    pub(super) fn received(&mut self, case: Case<'_>, host: u32, id: &str) {
        let Some(number) = self.number(case, id) else { return };
        let record = &mut self.records[number as usize];
        match record.place {
            Some((partition, offset)) => {
                let partition = &mut self.partitions[partition as usize];
                if partition.owner != host {
                    let believes = partition.believers.contains(&host);
                    if believes {
                        self.received_too_late(host, number);
                    }
                    return;
                }
                if !partition.held.insert(offset) {
                    return; // a client repeats what it has handed over
                }
                if let Some(lane) = record.lane.filter(|_| !record.claimed || self.terms.is_exactly_once()) {
                    self.lanes[lane as usize].ahead.insert(number);
                }
            }
            // A queue hands a message out again when the lease has ended, and the host that had it may not know.
            None => self.taken_from_all(number),
        }
        let record = &mut self.records[number as usize];
        record.handed_back = false;
        let known = record.finished || (record.claimed && self.terms.delivery == Guarantee::AtLeastOnce);
        let (finished, goes_on) = (record.finished, record.repeating);
        let receipt = Receipt { host, since: self.now, finished, known, goes_on, ..Receipt::default() };
        record.receipts.push(receipt);
        let holder = self.hosts.entry(host).or_default();
        holder.records.insert(number);
        holder.in_flight += u64::from(!known);
        let (in_flight, bound) = (holder.in_flight, u64::from(self.terms.in_flight));
        self.report.figures.most_in_flight = self.report.figures.most_in_flight.max(in_flight);
        let wrong = (in_flight > bound).then(|| format!("{in_flight} records in flight, the bound is {bound}"));
        self.check(case, Promise::Bounded, number, wrong);
    }

    /// The lease of a message has ended by itself, whoever had it.
    pub(super) fn taken_from_all(&mut self, number: Number) {
        let receipts = &self.records[number as usize].receipts;
        let had: Vec<u32> = receipts.iter().filter(|one| !one.stale).map(|one| one.host).collect();
        for host in had {
            self.report.figures.faults += 1;
            self.disown(host, number, Ending::Fault);
        }
    }

    /// What a client had fetched before its host stood still. The partition is somebody else's, and the host will handle
    /// it all the same until it hears so.
    fn received_too_late(&mut self, host: u32, number: Number) {
        let record = &mut self.records[number as usize];
        if record.open(host).is_none() {
            // Where it comes first, the one who has the right to it repeats it.
            let begun = record.receipts.iter().any(|receipt| !receipt.stale && receipt.attempt > 0);
            record.licensed |= !begun && record.complete.is_none();
            record.at_risk = true;
            let receipt =
                Receipt { host, since: self.now, stale: true, finished: record.finished, ..Receipt::default() };
            record.receipts.push(receipt);
            self.report.figures.at_risk += 1;
            self.hosts.entry(host).or_default().records.insert(number);
        }
    }

    pub(super) fn settled(&mut self, case: Case<'_>, host: u32, id: &str, fate: Fate) {
        debug_assert!(matches!(case.fact.what, What::Settled { .. }));
        let Some(number) = self.number(case, id) else { return };
        let terms = self.terms;
        let record = &mut self.records[number as usize];
        let (queued, acknowledged) = (record.place.is_none(), record.acknowledged);
        let Some(receipt) = record.ending(host, fate) else {
            return self.check(case, Promise::SettledOnce, number, Some("settled by a host that does not own it"));
        };
        receipt.settled = Some(fate);
        let (stale, running, end) = (receipt.stale, receipt.running, receipt.end(&terms));
        let counted = receipt.last.is_some_and(super::attempts::counts) && !running;
        let (begun, excused) = (receipt.attempt > 0, receipt.behind_a_loss || receipt.stale);
        self.check(case, Promise::SettledOnce, number, None::<&str>);
        match fate {
            Fate::Done | Fate::DeadLettered | Fate::Ignored | Fate::Duplicate => {
                let wrong = end.is_none().then_some("settled before its effects are durable");
                self.check(case, Promise::DurableFirst, number, wrong);
                let wrong = (queued && !acknowledged).then_some("settled before the queue deleted it");
                self.check(case, Promise::SettledOnce, number, wrong);
                if stale || acknowledged {
                    self.drop_receipts(number, |receipt| receipt.host == host && receipt.settled.is_some());
                }
            }
            Fate::Released => {
                let wrong = running.then_some("returned while it is being handled");
                self.check(case, Promise::SettledOnce, number, wrong);
                if queued {
                    let record = &mut self.records[number as usize];
                    record.floor = if terms.counts_deliveries || record.returned_by == host { record.floor } else { 1 };
                    record.floor += u32::from(counted);
                    record.returned_by = host;
                    self.handed_back(case, host, number, begun, excused);
                }
                self.end_receipt(host, number, Ending::Orderly, stale);
            }
            Fate::Revoked | Fate::Abandoned => {
                if queued {
                    self.excuse_those_behind(host, number);
                }
                self.end_receipt(host, number, Ending::Fault, stale);
            }
        }
    }

    /// A host is done with a record that it has not acknowledged.
    fn end_receipt(&mut self, host: u32, number: Number, ending: Ending, was_stale: bool) {
        if !was_stale {
            self.disown(host, number, ending);
        }
        if self.terms.is_at_most_once() && self.records[number as usize].claimed {
            self.records[number as usize].at_risk = true;
            self.let_pass(number);
        }
        self.drop_receipts(number, |receipt| receipt.host == host && receipt.settled.is_some());
    }
}
