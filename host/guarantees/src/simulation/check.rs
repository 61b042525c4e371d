//! What must hold between any two events.

use super::World;

impl World {
    pub(super) fn check(&self) {
        self.check_bounds();
        self.check_books();
    }

    /// What was received and is not covered by a commit or deleted, and what was granted, stay within the bound.
    fn check_bounds(&self) {
        let bounds = self.route.bounds;
        let leased = self.machine.deliveries().filter(|(_, delivery)| delivery.receipt().is_some()).count();
        let open = self.broker.uncovered() + leased;
        let messages = open + self.allowance.messages as usize;
        assert!(messages <= bounds.messages as usize, "{messages} messages in flight, bound {}", bounds.messages);

        let held: u64 = self.machine.deliveries().map(|(_, delivery)| delivery.size()).sum();
        let granted = i128::from(held) + i128::from(self.allowance.bytes);
        assert!(granted <= i128::from(bounds.bytes), "{granted} bytes in flight and granted, bound {}", bounds.bytes);
        let over = held.saturating_sub(bounds.bytes);
        assert!(over == 0 || over < self.witness.largest, "{over} bytes over the bound: more than one record");
        let used = self.machine.in_use();
        assert_eq!((used.messages as usize, used.bytes), (open, held));
    }

    fn check_books(&self) {
        assert_eq!(self.machine.audit(), Ok(()));
        assert_eq!(self.machine.account().received, self.witness.received, "each receipt is counted");
        assert_eq!(self.machine.is_holding(), self.witness.holding, "people are told");
        let out = self.machine.out();
        assert_eq!(out.attempts, self.running.len(), "the workers in use");
        assert_eq!(out.publications, self.sending.len(), "the publications that are out");
    }
}
