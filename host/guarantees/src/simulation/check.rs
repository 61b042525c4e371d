//! What must hold between any two events.

use cofferdam_core::action::Circuit;

use super::World;

impl World {
    pub(super) fn check(&self) {
        self.check_bounds();
        self.check_books();
        if let Some(violation) = self.history.judge().first_violation().filter(|_| self.strict) {
            panic!("{violation}");
        }
    }

    /// What was received and is not covered by a commit or deleted, and what was granted, stay within the bound.
    fn check_bounds(&self) {
        let (host, bounds) = (self.host(), self.route.bounds);
        let leased = host.machine.deliveries().filter(|(_, delivery)| delivery.receipt().is_some()).count();
        let open = host.client.uncovered(&self.broker) + leased;
        let messages = open + host.allowance.messages as usize;
        assert!(messages <= bounds.messages as usize, "{messages} messages in flight, bound {}", bounds.messages);

        let held: u64 = host.machine.deliveries().map(|(_, delivery)| delivery.size()).sum();
        let granted = i128::from(held) + i128::from(host.allowance.bytes);
        assert!(granted <= i128::from(bounds.bytes), "{granted} bytes in flight and granted, bound {}", bounds.bytes);
        let over = held.saturating_sub(bounds.bytes);
        assert!(over == 0 || over < host.seen.largest, "{over} bytes over the bound: more than one record");
        let used = host.machine.in_use();
        assert_eq!((used.messages as usize, used.bytes), (open, held));
    }

    fn check_books(&self) {
        let host = self.host();
        assert_eq!(host.machine.audit(), Ok(()));
        assert_eq!(host.machine.account().received, host.seen.received, "each receipt is counted");
        assert_eq!(
            host.machine.is_holding(),
            host.seen.holding || host.seen.circuit != Circuit::Closed,
            "people are told"
        );
        let out = host.machine.out();
        assert_eq!(out.attempts, host.running.len(), "the workers in use");
        assert_eq!(out.publications, host.sending.len(), "the publications that are out");
    }
}
