//! The journal as a listener of a flow: it writes a line before the flow acts.

use cofferdam_core::action::{Action, Ask};
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use super::{Journal, facts};
use crate::listener::Listener;

impl Listener for Journal {
    fn event(&mut self, event: &Event, machine: &Machine, _: Time) {
        self.write(|writer| facts::heard(event, machine, |what| writer.take_down(what)));
    }

    fn action(&mut self, action: &Action, machine: &Machine, _: Time) {
        self.write(|writer| facts::taken(action, machine, |what| writer.take_down(what)));
    }

    /// A request that acknowledges goes to the source at once, and cannot be undone.
    fn must_flush(&self, action: &Action) -> bool {
        self.is_kept() && matches!(action, Action::Ask(Ask::Commit(_) | Ask::GiveUp { .. } | Ask::Delete { .. }))
    }

    fn flush(&mut self) -> Result<(), Box<str>> {
        Journal::flush(self).map_err(|error| format!("failed to write the journal: {error}").into())
    }
}
