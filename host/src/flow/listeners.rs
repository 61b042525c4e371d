//! Calls the listeners of a flow one after the other.

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use crate::listener::{End, Listener, Round, Tick};

/// All listeners of a flow, in the order in which they are called.
pub(super) struct Listeners {
    list: Vec<Box<dyn Listener>>,
    /// Why the flow must stop: a listener failed to flush. No further action is carried out.
    mute: Option<Box<str>>,
}

impl Listeners {
    pub(super) fn new(list: Vec<Box<dyn Listener>>) -> Self {
        Self { list, mute: None }
    }

    /// Whether a listener failed to flush. No further action may be carried out then.
    pub(super) fn are_mute(&self) -> bool {
        self.mute.is_some()
    }

    /// Reports an event before the machine gets it.
    pub(super) fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        for listener in &mut self.list {
            listener.event(event, machine, now);
        }
    }

    /// Reports an action before it is carried out. Returns whether it may be carried out: false after a failed flush.
    pub(super) fn action(&mut self, action: &Action, machine: &Machine, now: Time) -> bool {
        if self.are_mute() {
            return false;
        }
        for listener in &mut self.list {
            listener.action(action, machine, now);
            if listener.must_flush(action)
                && let Err(reason) = listener.flush()
            {
                self.mute = Some(silenced(&reason));
                return false;
            }
        }
        true
    }

    /// Flushes all listeners, so that the reported events and actions survive the process.
    ///
    /// # Errors
    /// The reason for which no further action may be carried out.
    pub(super) fn flush(&mut self) -> Result<(), Box<str>> {
        if self.mute.is_none() {
            self.mute =
                self.list.iter_mut().find_map(|listener| listener.flush().err()).map(|reason| silenced(&reason));
        }
        self.mute.clone().map_or(Ok(()), Err)
    }

    /// Reports the end of a round of the loop.
    pub(super) fn round(&mut self, round: &Round<'_>) {
        for listener in &mut self.list {
            listener.round(round);
        }
    }

    /// Reports the periodic tick, every few seconds.
    pub(super) fn tick(&mut self, tick: &Tick<'_>) {
        for listener in &mut self.list {
            listener.tick(tick);
        }
    }

    /// Reports the end of the flow.
    pub(super) fn end(&mut self, end: &End<'_>) {
        for listener in &mut self.list {
            listener.end(end);
        }
    }
}

fn silenced(reason: &str) -> Box<str> {
    format!("{reason}; nothing was done after that").into()
}

#[cfg(test)]
mod tests;
