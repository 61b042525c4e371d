//! The delivery rules of Cofferdam.
//!
//! What can lose a message is the order of steps, so the order of steps lives here, in state machines that do
//! no I/O, know no clock and start no thread: they take [`event`]s and answer with [`action`]s, and time is an
//! argument. The host drives them; a simulation can drive the same code through a million histories.
//!
//! From the bottom: [`time`], [`ids`], [`message`] and [`output`] are the things that move; [`envelope`] and [`template`]
//! read and write them; [`outcome`] is what can happen to an attempt, [`verdict`] what to do about it, with
//! [`retry`] for how long to wait; [`source`] is what a source is able to do; `lanes` keep the order of keys, [`watermark`] the commit point, and [`mark`] tells own
//! commits from those of others;
//! [`dead_letter`] is what is stored of a failure; [`route`] is what a route says of all this; and [`machine`]
//! is the order of steps.

pub mod action;
pub mod breaker;
pub mod command;
pub mod dead_letter;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod machine;
pub mod mark;
pub mod message;
pub mod outcome;
pub mod output;
pub mod progress;
pub mod retry;
pub mod route;
pub mod source;
pub mod template;
pub mod time;
pub mod verdict;
pub mod watermark;

mod lanes;
pub use lanes::Order;
