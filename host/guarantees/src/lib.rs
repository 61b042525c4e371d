//! The promises of Cofferdam, and how one sees that they hold.
//!
//! A history is a list of [`Fact`]s: what was produced, handled, made durable and acknowledged, and which faults came
//! between. The same [`Judge`] reads the histories of simulated worlds and those of real hosts on real brokers.
//!
//! From the bottom: `fact` is what can happen; [`Terms`] are what a route promises in figures; [`Judge`] reads facts one
//! by one and ends in a [`Report`]; [`simulation`] is a world without I/O in which the production's own state machine
//! lives through seeded histories.

mod fact;
mod judge;
mod report;
pub mod simulation;
mod terms;

pub use fact::{Effect, Fact, RecordId, What};
pub use judge::Judge;
pub use report::{Figures, Kept, Promise, Report, Violation};
pub use terms::{Limit, Since, Terms};
