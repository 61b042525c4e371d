//! Counts and logs the events and actions of a flow.

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use super::Telemetry;
use super::partitions::Change;
use crate::listener::{Listener, Round, Tick};

impl Listener for Telemetry {
    fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        match event {
            Event::Ended(delivery, ended) => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.deliveries.ended(delivery, ended);
                }
            }
            Event::Durable { delivery, index } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.deliveries.produced(delivery, *index, now);
                }
            }
            Event::Transacted(_) => self.transacted(machine, now),
            Event::Assigned(assigned) => {
                self.partitions.rebalance(Change::Assigned, assigned.iter().map(|assignment| &assignment.partition));
            }
            Event::Revoked(partitions) => self.partitions.rebalance(Change::Revoked, partitions.iter()),
            Event::Lost(partitions) => self.partitions.rebalance(Change::Lost, partitions.iter()),
            Event::Superseded(partitions) => self.partitions.superseded(partitions),
            Event::Records { records, .. } => self.intake.received(records.len()),
            Event::Messages(messages) => self.intake.received(messages.len()),
            _ => {}
        }
    }

    fn action(&mut self, action: &Action, machine: &Machine, now: Time) {
        match action {
            Action::Settled { delivery, fate } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.deliveries.settled(delivery, *fate, now);
                }
            }
            Action::Troubled { delivery, next } => {
                if let Some(delivery) = machine.delivery(*delivery) {
                    self.deliveries.troubled(delivery, *next, now);
                }
            }
            Action::Holding(holding) => self.state.holding(*holding),
            Action::Circuit(circuit) => self.state.circuit(*circuit),
            Action::Paused(paused) => self.state.paused(*paused),
            Action::Blocked(blocked) => self.partitions.blocked(blocked),
            Action::Unblocked(partition) => self.partitions.unblocked(partition),
            Action::MetadataIgnored(partition, why) => self.partitions.metadata_ignored(partition, why),
            Action::Stop(reason) => self.state.stopped(reason),
            Action::Handle(_)
            | Action::Publish { .. }
            | Action::Record(_)
            | Action::Transact { .. }
            | Action::Ask(_)
            | Action::Drained => {}
        }
    }

    fn round(&mut self, round: &Round<'_>) {
        self.intake.in_flight(round.machine.in_flight());
        self.intake.refused(round.machine.refused());
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        self.deliveries.report_dropped(tick.now);
        self.state.stuck(tick.stuck);
    }
}

impl Telemetry {
    /// Logs the publications of the committed transaction.
    fn transacted(&self, machine: &Machine, now: Time) {
        for delivery in machine.in_transaction().filter_map(|id| machine.delivery(id)) {
            let count = u32::try_from(delivery.publications()).unwrap_or(u32::MAX);
            (0..count).for_each(|index| self.deliveries.produced(delivery, index, now));
        }
    }
}
