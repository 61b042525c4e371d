//! Reports the health of a route.

use std::sync::Arc;

use cofferdam_core::action::{Action, Next};
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use super::health::{Obstacle, RouteHealth, State};
use crate::listener::{Absence, End, Listener, Phase, Round, Tick};

/// A listener that reports the state of a flow to the health of its route.
pub struct HealthListener {
    health: Arc<RouteHealth>,
    /// Whether the health shows an obstacle.
    is_obstructed: bool,
}

impl HealthListener {
    /// Reports to `health`.
    pub fn new(health: Arc<RouteHealth>) -> Self {
        Self { health, is_obstructed: false }
    }
}

impl Listener for HealthListener {
    fn action(&mut self, action: &Action, machine: &Machine, now: Time) {
        let Action::Troubled { delivery, next: Next::Hold(_) | Next::Refused(_) } = action else { return };
        let Some(refusal) = machine.delivery(*delivery).and_then(|delivery| delivery.refusal()) else { return };
        self.is_obstructed = true;
        self.health.obstructed(Obstacle {
            destination: refusal.destination.to_string().into(),
            reason: refusal.text.clone(),
            refused_dead_letters: machine.refused(),
            since: now,
        });
    }

    fn round(&mut self, &Round { phase, machine, now }: &Round<'_>) {
        let state = match phase {
            Phase::Stopped => State::Stopped,
            Phase::Draining => State::Draining,
            Phase::Running if machine.is_paused() => State::Paused,
            Phase::Running if machine.is_circuit_open() && !self.is_obstructed => State::CircuitOpen,
            Phase::Running if machine.is_holding() => State::Holding,
            Phase::Running => State::Running,
        };
        self.health.report(state, machine.account(), machine.in_flight(), now);
        if self.is_obstructed && !machine.is_holding() && machine.refused() == 0 {
            self.is_obstructed = false;
            self.health.unobstructed();
        }
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        self.health.absent(tick.absence.clone().map(|Absence { lasts, reason }| (lasts, reason)));
    }

    fn end(&mut self, end: &End<'_>) {
        if let Some(reason) = end.failure {
            self.health.fail(reason);
        }
        self.health.report(State::Stopped, end.machine.account(), end.machine.in_flight(), end.now);
    }
}

#[cfg(test)]
mod tests;
