//! The listeners of a flow, told one after the other.

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

use crate::listener::{End, Listener, Round, Tick};

/// All listeners of a flow, in the order in which they are called.
pub(super) struct Listeners {
    list: Vec<Box<dyn Listener>>,
    /// Why nothing may be done any more.
    mute: Option<Box<str>>,
}

impl Listeners {
    pub(super) fn new(list: Vec<Box<dyn Listener>>) -> Self {
        Self { list, mute: None }
    }

    /// A listener has failed to flush: nothing is to be done any more.
    pub(super) fn are_mute(&self) -> bool {
        self.mute.is_some()
    }

    /// This is about to be told to the machine.
    pub(super) fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        for listener in &mut self.list {
            listener.event(event, machine, now);
        }
    }

    /// The machine wants this. Whether it may be carried out: every listener that must flush before has.
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

    /// What was heard outlives the process from here on.
    ///
    /// # Errors
    /// Why nothing may be done any more.
    pub(super) fn flush(&mut self) -> Result<(), Box<str>> {
        if self.mute.is_none() {
            self.mute =
                self.list.iter_mut().find_map(|listener| listener.flush().err()).map(|reason| silenced(&reason));
        }
        self.mute.clone().map_or(Ok(()), Err)
    }

    /// The loop has turned.
    pub(super) fn round(&mut self, round: &Round<'_>) {
        for listener in &mut self.list {
            listener.round(round);
        }
    }

    /// Some seconds have passed.
    pub(super) fn tick(&mut self, tick: &Tick<'_>) {
        for listener in &mut self.list {
            listener.tick(tick);
        }
    }

    /// The flow has ended.
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
