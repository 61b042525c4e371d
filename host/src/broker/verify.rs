//! The interface between `cofferdam verify` and brokers, with its data types.
//!
//! A run uses a broker in three steps: the [`Side`] of its kind while the run writes the configuration of the hosts, a
//! [`Subject`] when it reads that configuration, and a [`Stage`] when it is connected. Each broker implements them in
//! its own folder.

mod exchange;
mod names;
mod stage;

use std::time::Duration;

use futures::future::BoxFuture;
use toml::Value;

use super::Kind;
use crate::exit::Problem;
pub use exchange::{Exchange, Opaque, Passed};
pub use names::{Names, Part};
pub use stage::{Item, Message, Stage, Stored, Writer, Written};

/// Visibility timeout in the routes of a run, for brokers that have one. Messages of a killed host become visible after
/// it.
pub const LEASE: Duration = Duration::from_secs(2);

/// Retention time of topics and queues, so that the broker deletes the messages that a killed run leaves behind.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a run retries requests to a busy or unreachable broker.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a run needs from a kind of broker before a configuration exists.
#[derive(Debug)]
pub struct Side {
    /// The name in reports.
    pub title: &'static str,
    /// How the broker's address is configured.
    pub address: Address,
    /// Whether the broker can commit outputs and acknowledgements in one transaction, which `exactly_once` needs.
    pub transactions: bool,
    /// Returns the configuration section of the hosts, derived from the user's.
    pub section: fn(&Value) -> Value,
    /// Returns the keys of the route that reads and writes at this broker, except its name and the keys that all routes
    /// of a run share. The second argument is the delivery guarantee as the configuration spells it.
    pub route: fn(&Names, &str) -> String,
    /// Creates the reader of a new connection between a host and a server.
    pub exchange: fn() -> Box<dyn Exchange>,
}

/// How the address of a broker is configured: the key in the section and the command-line argument.
#[derive(Debug)]
pub struct Address {
    /// The key in the section.
    pub key: &'static str,
    /// The placeholder for the value in the help of the argument.
    pub value: &'static str,
    /// The help text of the argument.
    pub help: &'static str,
}

/// A broker that the configuration of a run has a section for. It is not connected.
pub trait Subject: Send + Sync {
    /// Returns the kind of the broker.
    fn kind(&self) -> &'static Kind;

    /// Returns the timeouts of its clients. All are zero by default, for a broker without sessions.
    fn silences(&self) -> Silences {
        Silences::default()
    }

    /// Returns the servers (`host:port`) that hosts connect to first, if a proxy can stand in front of each. The error
    /// is the reason why it cannot.
    fn servers(&self) -> Result<Vec<String>, &'static str>;

    /// Returns the address for hosts that reach these servers through local proxies (`host:port`), in the same order.
    fn address(&self, local: &[String]) -> String;

    /// Creates the clients of a run; sends no request.
    fn stage<'a>(&'a self, names: &'a Names) -> BoxFuture<'a, Result<Box<dyn Stage>, Problem>>;
}

/// How long clients may be silent before the broker reassigns their work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Silences {
    /// The session timeout.
    pub session: Duration,
    /// The longest of all timeouts: session, poll interval, transaction.
    pub longest: Duration,
    /// The configuration key that sets them.
    pub place: &'static str,
}
