//! Listeners of a flow: metrics, the journal, health, and the views of `dev`.

use std::time::Duration;

use cofferdam_core::action::Action;
use cofferdam_core::event::Event;
use cofferdam_core::machine::Machine;
use cofferdam_core::time::Time;

/// Observes the events and actions of a flow. A flow has a list of listeners. A listener does not change what the flow does,
/// but a failed flush stops the flow.
///
/// # Order of calls
///
/// 1. [`event`](Self::event) for each event, before the machine handles it.
/// 2. [`action`](Self::action) for each action of the machine, before the flow carries it out and before the next event.
///    [`must_flush`](Self::must_flush) follows directly; if it returns true, [`flush`](Self::flush) is called before the
///    next listener gets the action.
/// 3. [`flush`](Self::flush) once a round, before attempts and publications of that round begin.
/// 4. [`round`](Self::round) once a round, after they have begun.
/// 5. [`tick`](Self::tick) every few seconds, also when nothing happens.
/// 6. [`end`](Self::end) once, last.
///
/// At each step listeners are called in the order of the list, so listeners that must flush come first. All calls run on the
/// thread of the flow, for every message: a listener that waits delays its route.
///
/// Events and actions contain the ids of deliveries. [`Machine::delivery`] returns the delivery of an event before the
/// machine handles the event, and that of an action until the next event.
pub trait Listener: Send {
    /// Called before the machine handles this event.
    fn event(&mut self, event: &Event, machine: &Machine, now: Time) {
        let _ = (event, machine, now);
    }

    /// Called before the flow carries out this action.
    fn action(&mut self, action: &Action, machine: &Machine, now: Time) {
        let _ = (action, machine, now);
    }

    /// Whether the action may be carried out only after a flush. Other actions are carried out after the next flush of the
    /// round, or have no effect outside of the process.
    fn must_flush(&self, action: &Action) -> bool {
        let _ = action;
        false
    }

    /// Makes the events and actions so far survive the process.
    ///
    /// # Errors
    /// The reason of the failure. The flow then carries out nothing more, no listener gets another action, and the flow ends
    /// as if the process had been killed.
    fn flush(&mut self) -> Result<(), Box<str>> {
        Ok(())
    }

    /// Called after a round of the flow's loop.
    fn round(&mut self, round: &Round<'_>) {
        let _ = round;
    }

    /// Called every few seconds.
    fn tick(&mut self, tick: &Tick<'_>) {
        let _ = tick;
    }

    /// Called when the flow has ended.
    fn end(&mut self, end: &End<'_>) {
        let _ = end;
    }
}

/// The state of a flow after a round of its loop.
pub struct Round<'a> {
    /// The phase of the flow.
    pub phase: Phase,
    /// The state machine, with all deliveries in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}

/// The phases of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The flow receives and handles messages.
    Running,
    /// The flow finishes messages in flight and receives no more.
    Draining,
    /// The flow has drained, or may carry out nothing more.
    Stopped,
}

/// The states that are checked every few seconds.
pub struct Tick<'a> {
    /// A thread that has been in the handler for longer than any limit allows.
    pub stuck: Option<StuckHandler<'a>>,
    /// The absence of the source from its consumer group.
    pub absence: Option<Absence>,
    /// The state machine, with all deliveries in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}

/// A thread that does not return from a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StuckHandler<'a> {
    /// The handler's name.
    pub name: &'a str,
    /// The time in the handler, in milliseconds.
    pub silent_ms: u64,
}

/// The absence of a source from its consumer group, or another reason why it cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// The duration so far.
    pub lasts: Duration,
    /// The last answer of the broker, if there was one.
    pub reason: Option<Box<str>>,
}

/// The end of a flow.
pub struct End<'a> {
    /// The permanent failure of the broker client, if it failed.
    pub failure: Option<&'a str>,
    /// The state machine, with the deliveries left in flight.
    pub machine: &'a Machine,
    /// The time.
    pub now: Time,
}
