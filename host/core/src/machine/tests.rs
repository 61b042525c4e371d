//! The machine in a small simulated world, unchanged: scenarios for each rule, and histories by the thousand.
//!
//! [`world`] has brokers, workers, sinks, a clock, and a witness that checks the promises at every step; a history
//! replays exactly from its seed.

mod drain;
mod kafka;
mod properties;
mod rules;
mod sqs;
mod world;
