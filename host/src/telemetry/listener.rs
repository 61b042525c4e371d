//! Counts and logs the events and actions of a flow.

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use super::{Change, Telemetry};
use crate::listener::{Listener, Round, Tick};

impl Listener for Telemetry {
    fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        match event {
            Event::Ended(delivery, ended) => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.ended(delivery, ended);
                }
            }
            Event::Durable { delivery, index } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.produced(delivery, *index, now);
                }
            }
            Event::Transacted(_) => self.transacted(machine, now),
            Event::Assigned(assigned) => {
                self.rebalance(Change::Assigned, assigned.iter().map(|assignment| &assignment.partition));
            }
            Event::Revoked(partitions) => self.rebalance(Change::Revoked, partitions.iter()),
            Event::Lost(partitions) => self.rebalance(Change::Lost, partitions.iter()),
            Event::Superseded(partitions) => self.superseded(partitions),
            Event::Records { records, .. } => self.received(records.len()),
            Event::Messages(messages) => self.received(messages.len()),
            _ => {}
        }
    }

    fn action(&mut self, action: &Action, machine: &Machine, now: Time) {
        match action {
            Action::Settled { delivery, fate } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.settled(delivery, *fate, now);
                }
            }
            Action::Troubled { delivery, next } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.troubled(delivery, *next, now);
                }
            }
            Action::Holding(holding) => self.holding(*holding),
            Action::Circuit(circuit) => self.circuit(*circuit),
            Action::Paused(paused) => self.paused(*paused),
            Action::Blocked(blocked) => self.blocked(blocked),
            Action::Unblocked(partition) => self.unblocked(partition),
            Action::MetadataIgnored(partition, why) => self.metadata_ignored(partition, why),
            Action::Stop(reason) => self.stopped(reason),
            Action::Handle(_)
            | Action::Publish { .. }
            | Action::Record(_)
            | Action::Transact { .. }
            | Action::Ask(_)
            | Action::Drained => {}
        }
    }

    fn round(&mut self, round: &Round<'_>) {
        self.in_flight(round.machine.in_flight());
        self.refused(round.machine.refused());
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        self.say_what_was_dropped(tick.now);
        self.stuck(tick.stuck);
    }
}

impl Telemetry {
    /// What the transaction wrote is durable.
    fn transacted(&self, machine: &Machine, now: Time) {
        for delivery in machine.in_transaction().filter_map(|id| machine.delivery(id)) {
            let count = u32::try_from(delivery.publications()).unwrap_or(u32::MAX);
            (0..count).for_each(|index| self.produced(delivery, index, now));
        }
    }
}
