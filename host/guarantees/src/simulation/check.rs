//! What must hold between any two events.

use cofferdam_core::action::Circuit;
use cofferdam_core::machine::Delivery;
use cofferdam_core::route::Guarantee;

use super::World;
use crate::Promise;

impl World {
    pub(super) fn check(&mut self) {
        self.check_bounds();
        self.check_receipts();
        self.check_books();
        if let Some(violation) = self.history.judge().first_violation().filter(|_| self.strict) {
            panic!("{violation}");
        }
    }

    /// What was received and is not covered by a commit or deleted, and what was granted, stay within the bound.
    fn check_bounds(&mut self) {
        let (host, bounds) = (&self.hosts[self.at], self.route.bounds);
        let records: u64 = host.machine.deliveries().map(|(_, delivery)| delivery.record().size() as u64).sum();
        let beside = |delivery: &Delivery| outputs(delivery) + envelope(delivery);
        let held = records + host.machine.deliveries().map(|(_, delivery)| beside(delivery)).sum::<u64>();
        let open = self.open();
        let used = host.machine.in_use();
        let messages = open + host.allowance.messages as usize;
        let granted = i128::from(records) + i128::from(host.allowance.bytes);
        let over = records.saturating_sub(bounds.bytes);
        let wrong = if (used.messages as usize, used.bytes) != (open, held) {
            format!(
                "host {}: {used:?} in the books, {open} messages and {held} bytes counted at {}",
                host.process, self.now
            )
        } else if messages > bounds.messages as usize {
            format!("{messages} messages in flight and granted, the bound is {}", bounds.messages)
        } else if granted > i128::from(bounds.bytes) {
            format!("{granted} bytes received and granted, the bound is {}", bounds.bytes)
        } else if over > 0 && over >= host.seen.largest {
            format!("{over} bytes over the bound, more than one record")
        } else {
            return;
        };
        self.history.object(Promise::Bounded, wrong);
    }

    /// A host waits for its transactions before it gives a partition of them up, as long as it may.
    pub(super) fn check_given_up(&mut self, number: i32) {
        let host = &self.hosts[self.at];
        let now = self.now.after(host.ahead);
        let Some(hold) = host.client.holds.get(&number) else { return };
        let may_wait = hold.until.is_some_and(|until| now < until);
        // One of an assignment before may end as it likes.
        if may_wait && host.client.in_transaction(number).is_some_and(|(_, assignment)| hold.is(*assignment)) {
            let wrong = format!("partition {number} is given up while a transaction contains it");
            self.history.object(Promise::SettledOnce, wrong);
        }
    }

    /// There is room for what was granted, beside the records and outputs that are in memory.
    pub(super) fn check_grant(&mut self, bytes: u64) {
        let (host, bounds) = (&self.hosts[self.at], self.route.bounds);
        let held: u64 = host.machine.deliveries().map(|(_, it)| it.record().size() as u64 + outputs(it)).sum();
        let granted = i128::from(held) + i128::from(host.allowance.bytes);
        if bytes > 0 && granted > i128::from(bounds.bytes) {
            let wrong = format!("{granted} bytes in memory and granted, the bound is {}", bounds.bytes);
            self.history.object(Promise::Bounded, wrong);
        }
    }

    /// Nothing is handled while outputs that are not durable fill the bound, unless it may be what they wait for.
    pub(super) fn check_start(&mut self) {
        let host = &self.hosts[self.at];
        let transacts = self.route.delivery == Guarantee::ExactlyOnce;
        let is_sent = |id| transacts || host.sending.iter().any(|sending| sending.delivery == id);
        let held: u64 = host.machine.deliveries().filter(|(id, _)| is_sent(*id)).map(|(_, it)| outputs(it)).sum();
        let waits = transacts && host.client.transaction.is_none();
        if held >= self.route.bounds.bytes && !waits {
            let wrong =
                format!("an attempt begins beside {held} bytes of outputs, the bound is {}", self.route.bounds.bytes);
            self.history.object(Promise::Bounded, wrong);
        }
    }

    /// What was handed over and was not finished before is received.
    fn check_receipts(&mut self) {
        let (counted, received) = (self.machine().account().received, self.seen().received);
        if counted != received {
            let wrong = format!("{counted} receipts in the account, {received} were handed over");
            self.history.object(Promise::OneEnd, wrong);
        }
    }

    /// Messages of the host that count.
    fn open(&self) -> usize {
        let host = self.host();
        // What is acknowledged before it is handled counts until it was.
        if self.route.delivery == Guarantee::AtMostOnce {
            return host.machine.deliveries().count();
        }
        let leased = host.machine.deliveries().filter(|(_, delivery)| delivery.receipt().is_some()).count();
        host.client.uncovered(&self.broker) + leased
    }

    fn check_books(&self) {
        let host = self.host();
        // One that stood still ends with its next look at the clock.
        let now = self.now.after(host.ahead);
        let late = host.seen.until.is_some_and(|until| now > until);
        let looks = host.machine.next_wake().is_some_and(|wake| wake <= now);
        assert!(!late || looks || host.seen.drained > 0, "a stop ends within its limits");
        assert_eq!(host.machine.audit(), Ok(()));
        assert_eq!(
            host.machine.is_holding(),
            host.seen.holding || host.seen.circuit != Circuit::Closed,
            "people are told"
        );
        let out = host.machine.out();
        assert_eq!(out.attempts, host.running.len(), "the workers in use");
        let transacting = host.client.transaction.as_ref().map_or(0, Vec::len);
        let expected = host.sending.len() + host.recording.len() + transacting;
        assert_eq!(out.publications, expected, "the publications that are out");
    }
}

/// Bytes of its decoded envelope. The machine decodes it here, for no worker of the simulation does.
fn envelope(delivery: &Delivery) -> u64 {
    delivery.opened().map_or(0, |opened| opened.size() as u64)
}

/// Bytes of its outputs. A dead letter has the bytes of the record.
fn outputs(delivery: &Delivery) -> u64 {
    let count = if delivery.is_stored_as_error() { 0 } else { u32::try_from(delivery.publications()).expect("few") };
    (0..count).filter_map(|index| delivery.publication(index)).map(|output| output.size() as u64).sum()
}
