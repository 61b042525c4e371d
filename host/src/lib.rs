//! The host: it reads Kafka and SQS, runs each message in a sandbox, and writes to Kafka and SQS.
//!
//! The modules as layers, from the top. A module imports only lower layers (a test checks the imports):
//!
//! ```text
//! cli                                            the commands
//! run · verify                                   wires a configuration into a host; puts hosts to the test
//! config · flow                                  the file, checked whole; drives the rules of `cofferdam_core`
//! broker                                         Kafka and SQS, a folder for each
//! transactions · dead_letters · plan             what brokers are asked for beside sources and sinks; the routes as data
//! source · sink · dedupe · plugin · telemetry · admin · journal
//! clock · signal · exit · server · handler · listener · stage · control · message_file
//! escape · private · storage
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
pub mod plan;
pub mod plugin;
pub mod private;
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
