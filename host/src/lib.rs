//! The host: Kafka and SQS in and out, and each message in a sandbox.
//!
//! From the top, each floor knowing only what is below it:
//!
//! ```text
//! 4  cli · config · run · exit · signal · message_file     wiring: knows everything
//! 3  flow                                                  drives the rules of `cofferdam_core`
//! 2  source · sink · plugin · telemetry · admin            each knows the core and its own library
//!    kafka · aws · embedded · clock                        what several of them share
//! ```

pub mod admin;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod exit;
pub mod flow;
pub mod kafka;
pub mod message_file;
pub mod plugin;
pub mod run;
pub mod signal;
pub mod sink;
pub mod source;
pub mod telemetry;
