//! The host: Kafka and SQS in and out, and each message in a sandbox.
//!
//! From the top, each floor knowing only what is below it (a test reads the imports):
//!
//! ```text
//! cli                                            the commands
//! run · verify                                   wires a configuration into a host; puts hosts to the test
//! config · flow                                  the file, checked whole; drives the rules of `cofferdam_core`
//! broker                                         Kafka and SQS, a folder for each
//! transactions · dead_letters                    what brokers are asked for beside sources and sinks
//! source · sink · dedupe · plugin · telemetry · admin · journal
//! clock · signal · exit · server · handler · listener · stage · message_file
//! escape · storage
//! ```

pub mod admin;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod dead_letters;
pub mod dedupe;
pub mod escape;
pub mod exit;
pub mod flow;
pub mod handler;
pub mod journal;
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
pub mod transactions;
pub mod verify;
