//! The test kit: real brokers, the real binary, real guests, each brought up by the test that needs it.
//!
//! | where | what |
//! |---|---|
//! | [`kafka`](mod@kafka) | Apache Kafka: topics, records in, records out, committed offsets |
//! | [`sqs`](mod@sqs) | ElasticMQ: queues, messages in, messages out, counts |
//! | [`redis`](mod@redis), [`postgres`](mod@postgres) | servers of one test alone |
//! | [`gate`] | a way to a server that can be shut, cut, delayed, throttled and swallowed up |
//! | [`host`](mod@host) | the `cofferdam` binary as a child process |
//! | [`probe`] | a route through a handler whose behaviour is chosen by the message |
//! | [`hostile`](mod@hostile) | handlers that mean harm, and what each has to become |
//! | [`guest`](mod@guest) | a crate of this workspace as a WebAssembly component |
//! | [`conformance`] | what every source and every sink promises, asked of any broker |
//! | [`toy`] | a broker in memory, to show what a new broker needs |
//! | [`sched`] | what the machine took of the time of a thread |
//! | `local` | servers that are stopped and started by their test |
//! | `servers` | how the brokers are fetched, started, shared by test processes, and ended |
//!
//! A test that needs a broker begins like this. Where the broker cannot be had the test says so in one line and ends;
//! with `CI` in the environment it fails.
//!
//! ```no_run
//! # async fn test() {
//! let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
//! let topic = kafka.topic("orders", 3).await;
//! kafka.produce(&topic, [kit::Record::new("{}").key("o-1")]).await;
//! # }
//! ```

mod cargo;
mod children;
pub mod conformance;
pub mod gate;
pub mod guest;
pub mod host;
pub mod hostile;
pub mod kafka;
mod local;
pub mod need;
pub mod postgres;
pub mod probe;
pub mod redis;
pub mod sched;
mod servers;
pub mod sqs;
pub mod toy;
pub mod usage;
pub mod wait;

pub use gate::Gate;
pub use guest::{guest, guest_with_lines};
pub use host::{Ended, Host, Prepared, host, run};
pub use hostile::Hostile;
pub use kafka::{Committed, Kafka, Record, Stored, kafka};
pub use need::{Need, or_say_so, program};
pub use postgres::{Postgres, postgres};
pub use probe::Probe;
pub use redis::{Redis, redis};
pub use rustix::process::Signal;
pub use sqs::{Message, Queue, QueueSpec, Sqs, sqs};
pub use wait::{eventually, unique};
