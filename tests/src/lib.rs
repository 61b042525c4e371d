//! The test kit: real brokers, the real binary and real guests. Each test starts the ones that it needs.
//!
//! | where | what |
//! |---|---|
//! | [`kafka`](mod@kafka) | Apache Kafka: topics, records in, records out, committed offsets |
//! | [`sqs`](mod@sqs) | ElasticMQ: queues, messages in, messages out, counts |
//! | [`redis`](mod@redis), [`postgres`](mod@postgres) | servers for one test |
//! | [`gate`] | a proxy in front of a server that injects network faults |
//! | [`host`](mod@host) | the `cofferdam` binary as a child process |
//! | [`probe`] | a route through a handler whose behaviour is chosen by the message |
//! | [`hostile`](mod@hostile) | malicious handlers, and the expected outcome of each |
//! | [`guest`](mod@guest) | a crate of this workspace as a WebAssembly component |
//! | [`conformance`] | the guarantees of every source and every sink, tested on any broker |
//! | [`toy`] | a minimal broker in memory, which shows what a new broker needs |
//! | [`sched`] | the time for which a thread waited for a CPU |
//! | `local` | servers that a test stops and starts |
//! | `servers` | how brokers are downloaded, started, shared by test processes, and ended |
//!
//! A test that needs a broker begins like this. If the broker is not available, the test prints one line and ends; with
//! `CI` in the environment it fails.
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
