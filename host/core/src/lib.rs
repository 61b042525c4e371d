//! The delivery rules of Cofferdam.
//!
//! What can lose a message is the order of steps, so the order of steps lives here, in state machines that do
//! no I/O, know no clock and start no thread: they take [`event`]s and answer with [`action`]s, and time is an
//! argument. The host drives them; a simulation can drive the same code through a million histories.
//!
//! From the bottom: [`time`], [`message`] and [`output`] are the things that move; [`outcome`] is what can
//! happen to an attempt.

pub mod action;
pub mod event;
pub mod message;
pub mod outcome;
pub mod output;
pub mod time;
