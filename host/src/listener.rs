//! Listeners of a flow: metrics, the journal, health, and watchers of deliveries.

use std::time::Duration;

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

/// Hears what a flow is told and what it does. A flow has a list of listeners; none of them changes what it does, but one
/// that fails to flush stops it.
///
/// # Order of calls
///
/// 1. [`event`](Self::event) for each event, before the machine handles it.
/// 2. [`action`](Self::action) for each action that the machine answers with, before the flow carries it out and before
///    the next event. [`must_flush`](Self::must_flush) is asked right behind it, and where it says so
///    [`flush`](Self::flush) is called before the next listener hears of the action.
/// 3. [`flush`](Self::flush) once a round, before attempts and publications of that round begin.
/// 4. [`round`](Self::round) once a round, when they have.
/// 5. [`tick`](Self::tick) every few seconds, also when nothing happens.
/// 6. [`end`](Self::end) once, last.
///
/// At each step listeners are called in the order of the list, so those that must flush stand first. All calls come from
/// the thread of the flow and are on the path of every message: a listener that waits holds up its route.
///
/// Events and actions name deliveries by their ids. [`Machine::delivery`] finds those of an event before the machine
/// handles it, and those of an action until the next event.
pub trait Listener: Send {
    /// This is about to be told to the machine.
    fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        let _ = (event, machine, now);
    }

    /// The machine wants this, and it is about to be carried out.
    fn action(&mut self, action: &Action, machine: &Machine, now: Time) {
        let _ = (action, machine, now);
    }

    /// Whether the action may be carried out only after a flush. All others are carried out after the next one of the
    /// round at the earliest, or have no effect outside of the process.
    fn must_flush(&self, action: &Action) -> bool {
        let _ = action;
        false
    }

    /// Makes what was heard so far outlive the process.
    ///
    /// # Errors
    /// What failed. The flow is mute from then on: it carries out nothing more, no listener hears of another action, and it
    /// ends as if the process had been killed.
    fn flush(&mut self) -> Result<(), Box<str>> {
        Ok(())
    }

    /// The loop of the flow has turned.
    fn round(&mut self, round: &Round<'_>) {
        let _ = round;
    }

    /// Some seconds have passed.
    fn tick(&mut self, tick: &Tick<'_>) {
        let _ = tick;
    }

    /// The flow has ended.
    fn end(&mut self, end: &End<'_>) {
        let _ = end;
    }
}

/// How a flow is after a round of its loop.
pub struct Round<'a> {
    /// Where it is in its life.
    pub phase: Phase,
    /// The rules, with all deliveries in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}

/// Where a flow is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It takes in messages and handles them.
    Running,
    /// It ends what is in flight and takes in nothing more.
    Draining,
    /// It has drained, or may do nothing more.
    Stopped,
}

/// What is looked at every few seconds.
pub struct Tick<'a> {
    /// A thread that has been in the handler for longer than any limit allows.
    pub stuck: Option<StuckHandler<'a>>,
    /// The source is not in its consumer group.
    pub absence: Option<Absence>,
    /// The rules, with all deliveries in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}

/// A thread that does not come back from a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StuckHandler<'a> {
    /// The handler's name.
    pub name: &'a str,
    /// For how long, milliseconds.
    pub silent_ms: u64,
}

/// A source that is not in its consumer group, or may not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// How long.
    pub lasts: Duration,
    /// What the broker said last, where it said something.
    pub reason: Option<Box<str>>,
}

/// How a flow has ended.
pub struct End<'a> {
    /// Why its client of the broker has failed for good, where it has.
    pub failure: Option<&'a str>,
    /// The rules, with what is left in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}
