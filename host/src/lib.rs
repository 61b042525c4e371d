//! The host: Kafka and SQS in and out, and each message in a sandbox.
//!
//! From the top, each floor knowing only what is below it (a test reads the imports):
//!
//! ```text
//! cli                                        the commands
//! run · verify                               wires a configuration into a host; puts hosts to the test
//! config · flow · dead_letters               the file, checked whole; drives the rules of `cofferdam_core`; what failed
//! source · sink                              Kafka and SQS in and out
//! kafka · aws · dedupe · plugin · telemetry · admin · journal · embedded
//! clock · signal · exit · server · handler · listener · stage · message_file
//! escape · storage
//! ```

pub mod admin;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod dead_letters;
pub mod dedupe;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod escape;
pub mod exit;
pub mod flow;
pub mod handler;
pub mod journal;
pub mod kafka;
pub mod listener;
pub mod message_file;
pub mod plugin;
pub mod run;
pub mod server;
pub mod signal;
pub mod sink;
pub mod source;
pub mod stage;
pub mod storage;
pub mod telemetry;
pub mod verify;
