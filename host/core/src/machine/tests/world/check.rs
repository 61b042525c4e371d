//! What must hold between any two events.

use std::collections::HashSet;

use super::World;
use crate::machine::Delivery;
use crate::machine::delivery::{State, Tenure};

impl World {
    pub(super) fn check(&self) {
        self.check_bounds();
        self.check_books();
        self.check_queues();
    }

    /// What was received and is not covered by a commit or deleted, and what was granted, stay within the bound.
    fn check_bounds(&self) {
        let bounds = self.route.bounds;
        let in_memory = || self.machine.deliveries.values().filter(|delivery| delivery.state != State::Retired);
        let leased = in_memory().filter(|delivery| matches!(delivery.tenure, Tenure::Lease { .. })).count();
        let open = self.broker.uncovered() + leased;
        let messages = open + self.allowance.messages as usize;
        assert!(messages <= bounds.messages as usize, "{messages} messages in flight, bound {}", bounds.messages);

        let held: u64 = in_memory().map(Delivery::size).sum();
        let granted = i128::from(held) + i128::from(self.allowance.bytes);
        assert!(granted <= i128::from(bounds.bytes), "{granted} bytes in flight and granted, bound {}", bounds.bytes);
        let over = held.saturating_sub(bounds.bytes);
        assert!(over == 0 || over < self.witness.largest, "{over} bytes over the bound: more than one record");
        assert_eq!(self.machine.intake.in_flight(), (u32::try_from(open).expect("small"), held));
    }

    fn check_books(&self) {
        let machine = &self.machine;
        let live = machine.deliveries.values().filter(|delivery| delivery.is_live());
        let account = machine.account();
        assert_eq!(account.received, self.witness.received, "each receipt is counted");
        assert_eq!(account.received, account.ended() + live.clone().count() as u64, "each receipt ends once");
        assert_eq!(machine.in_flight(), live.clone().count());
        assert_eq!(machine.held as usize, live.filter(|delivery| delivery.held).count());
        assert_eq!(machine.is_holding(), self.witness.holding, "people are told");
        assert_eq!(machine.running as usize, self.running.len(), "the workers in use");
        let pending: u32 = machine.deliveries.values().map(|delivery| delivery.pending).sum();
        assert_eq!(pending as usize, self.sending.len(), "the publications that are out");
    }

    /// Whoever waits will have its turn: it stands in one of the queues, or behind somebody who will leave.
    fn check_queues(&self) {
        let machine = &self.machine;
        let mut queued = HashSet::new();
        for id in machine.ready.iter().chain(&machine.probes) {
            let waits = machine.deliveries.get(*id).is_some_and(|delivery| delivery.state == State::Waiting);
            assert!(!waits || queued.insert(*id), "queued twice");
        }
        for (id, delivery) in &machine.deliveries {
            let ahead = delivery.lane.as_ref().and_then(|lane| machine.lanes.head(lane)).filter(|head| *head != id);
            match (delivery.state, ahead) {
                (State::Retired, _) => assert!(delivery.lane.is_none(), "what has ended is in nobody's way"),
                (State::Waiting, None) => assert!(queued.contains(&id), "nobody will start it"),
                (State::Waiting, Some(ahead)) => assert!(machine.deliveries.contains_key(ahead), "behind nobody"),
                (_, None) => {}
                (state, Some(_)) => panic!("{state:?} behind another"),
            }
        }
    }
}
