//! The machine in a small simulated world, unchanged: a scenario for each rule.
//!
//! [`world`] has brokers, workers, sinks, a clock, and a witness that checks the promises at every step.

mod drain;
mod kafka;
mod rules;
mod sqs;
mod world;
