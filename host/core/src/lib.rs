//! The delivery rules of Cofferdam.
//!
//! The order of steps decides whether a message can be lost, so this crate contains it, in state machines without I/O,
//! clock or threads: they take [`event`]s and return [`action`]s, and time is an argument. The host drives them; a
//! simulation drives the same code through millions of histories.
//!
//! From the bottom: [`time`], [`ids`], [`message`] and [`output`] are the data; [`envelope`] and [`template`] decode and
//! encode it; [`outcome`] has the results of attempts, [`verdict`] the decisions on them, [`retry`] the backoff; [`source`]
//! has the abilities of a source; `lanes` keep the order of keys, [`watermark`] keeps the commit point, and [`mark`]
//! recognises own commits; [`dead_letter`] builds the records of a failure; [`route`] has a route's rules; and [`machine`]
//! has the order of steps.

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
