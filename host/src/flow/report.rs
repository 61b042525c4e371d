//! Reports the state of a flow to its listeners, in addition to events and actions.

use super::Flow;
use crate::admin::SILENCE;
use crate::handler::Handler;
use crate::listener::{Phase, Round, StuckHandler, Tick};

impl<H: Handler> Flow<H> {
    /// Reports that the loop has finished a round.
    pub(super) fn round(&mut self, phase: Phase) {
        self.listeners.round(&Round { phase, machine: &self.machine, now: self.clock.now() });
    }

    /// The current phase of the flow.
    pub(super) fn phase(&self) -> Phase {
        match (self.drained, self.until.is_some()) {
            (true, _) => Phase::Stopped,
            (_, true) => Phase::Draining,
            _ => Phase::Running,
        }
    }

    /// Reports states that cause no event: a handler that does not return, a source that cannot read.
    pub(super) fn tick(&mut self) {
        let now = self.clock.now();
        let stuck = self.health.stuck_in_handler(SILENCE);
        let stuck = stuck.as_ref().map(|stuck| StuckHandler {
            name: stuck.plugin.as_deref().unwrap_or_default(),
            silent_ms: stuck.silent_ms,
        });
        let absence = self.source.absence(self.machine.account().received);
        self.listeners.tick(&Tick { stuck, absence, machine: &self.machine, now });
    }
}
