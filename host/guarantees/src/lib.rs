//! The promises of Cofferdam, and how one sees that they hold.
//!
//! A history is a list of [`Fact`]s: what was produced, handled, made durable and acknowledged, and which faults came
//! between. The same judge reads the histories of simulated worlds and those of real hosts on real brokers.

mod fact;
#[allow(missing_docs, reason = "the world is being turned into one of many hosts")]
pub mod simulation;

pub use fact::{Effect, Fact, RecordId, What};
