//! Message brokers. Each has a folder with its connection, sources, sinks and dead letters.
//!
//! Code outside this module uses brokers only through the traits [`Broker`], [`Source`], [`Sink`], [`Transactions`] and
//! [`DeadLetters`], and the abilities in [`SourceTraits`](cofferdam_core::source::SourceTraits) and
//! [`DestinationTraits`](cofferdam_core::output::DestinationTraits).

pub mod findings;
pub mod kafka;
pub mod sqs;
pub mod verify;

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::dead_letter::Letter;
use cofferdam_core::output::Destination;
use cofferdam_core::route::Route;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use crate::admin::{BrokerHealth, LetterHealth};
use crate::clock::Clock;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::outlet::Target;
use crate::dead_letters::{Backlog, DeadLetters};
use crate::exit::{Exit, Problem};
use crate::plan::{self, RouteConfig};
use crate::sink::Sink;
use crate::source::Source;
use crate::transactions::Transactions;
use findings::Findings;

/// A kind of broker, independent of any connection.
#[derive(Debug)]
pub struct Kind {
    /// The name of the broker in the configuration.
    pub name: &'static str,
    /// Returns the destination for a topic or queue with this name.
    pub destination: fn(&str) -> Destination,
    /// Returns the name under which dead letters know the topic or queue with this name or address.
    pub known_as: fn(&str) -> &str,
    /// Returns all topics or queues of this broker that the routes name.
    pub named: fn(&[RouteConfig]) -> BTreeSet<String>,
    /// Returns how well a name without a broker prefix fits this broker.
    pub fits: fn(&str) -> Fit,
    /// Returns whether the first argument, a source expression of this broker, matches the second, a name.
    pub matches: fn(&str, &str) -> bool,
    /// Whether it is possible to write to topics or queues that no route names.
    pub is_open: bool,
    /// What `cofferdam verify` needs from this broker.
    pub verify: &'static verify::Side,
}

/// An in-memory broker that runs until it is dropped.
#[cfg(feature = "embedded")]
pub struct Embedded {
    /// Name, address and limits of the broker, as shown to users.
    pub shown: String,
    _server: Box<dyn std::any::Any + Send>,
}

#[cfg(feature = "embedded")]
impl Embedded {
    /// Wraps a server that stops when it is dropped.
    pub fn new(shown: String, server: impl std::any::Any + Send) -> Self {
        Self { shown, _server: Box::new(server) }
    }
}

/// How well a name fits a kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The name is possible for this broker.
    Maybe,
    /// The name looks typical for this broker.
    Likely,
    /// The name is possible only for this broker.
    Only,
}

/// All kinds of brokers.
pub const ALL: [&Kind; 2] = [&kafka::KIND, &sqs::KIND];

/// Parses a destination such as `kafka:orders.dlq`. Returns `None` if the text does not begin with the name of a broker
/// and a colon, or if no name follows.
pub fn destination(text: &str) -> Option<Destination> {
    let (broker, name) = text.split_once(':').filter(|(_, name)| !name.is_empty())?;
    topic_or_queue(broker, name)
}

/// The topic or queue under the name that dead letters give it: one queue may have a name and an address.
pub fn known_as(destination: &Destination) -> Destination {
    let kind = ALL.into_iter().find(|kind| kind.name == destination.broker);
    kind.map_or_else(|| destination.clone(), |kind| (kind.destination)((kind.known_as)(&destination.name)))
}

/// The topic or queue of this name on a broker; `None` where no broker has this word.
pub fn topic_or_queue(broker: &str, name: &str) -> Option<Destination> {
    ALL.into_iter().find(|kind| kind.name == broker).map(|kind| (kind.destination)(name))
}

/// The source of a route, and the route completed with facts that only the source knows, such as the redrive policy.
pub type Read = (Box<dyn Source>, Arc<Route>);

/// A connection to a broker that the configuration names.
///
/// The host calls, in this order: [`ensure`](Broker::ensure), [`examine`](Broker::examine), then
/// [`source`](Broker::source) and [`transactions`](Broker::transactions) for each route that reads from this broker,
/// and [`sink`](Broker::sink) once for all routes. It may call [`health`](Broker::health) at any time. Commands call
/// [`dead_letters`](Broker::dead_letters).
pub trait Broker: Send + Sync {
    /// The name of the broker in the configuration, which its sources and destinations also have.
    fn name(&self) -> &'static str;

    /// Creates and drops each client that the routes need, so that all properties are validated together. Sends no
    /// request.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Creates missing topics or queues if the configuration allows it. The error names the missing ones that it may
    /// not create.
    fn ensure(&self) -> BoxFuture<'_, Result<(), Problem>>;

    /// Checks everything that the configuration names; creates nothing.
    fn examine<'a>(&'a self, findings: &'a mut Findings) -> BoxFuture<'a, ()>;

    /// Creates the source of a route that reads from this broker. The source receives nothing before the first grant.
    fn source<'a>(&'a self, route: &'a RouteConfig, clock: Clock) -> BoxFuture<'a, Result<Read, Problem>>;

    /// Creates the transactions of a route; returns `None` if the route needs none.
    fn transactions<'a>(&'a self, _route: &'a Route) -> BoxFuture<'a, Result<Option<Box<dyn Transactions>>, Problem>> {
        ready(Ok(None)).boxed()
    }

    /// Creates the sink for these topics or queues. A broker that must know its destinations in advance refuses any
    /// other.
    fn sink<'a>(&'a self, names: BTreeSet<Arc<str>>) -> BoxFuture<'a, Result<Box<dyn Sink>, Problem>>;

    /// Opens the dead letters in this topic or queue.
    fn dead_letters<'a>(&'a self, name: &'a Arc<str>) -> BoxFuture<'a, Result<Box<dyn DeadLetters>, Problem>>;

    /// Creates a counter of the dead letters in this topic or queue. The caller keeps it for repeated measurements.
    ///
    /// # Errors
    /// The client could not be created with this configuration.
    fn backlog(&self, name: &Arc<str>) -> Result<Box<dyn Backlog>, Problem>;

    /// Returns the dead-letter destinations of a route that reads from this broker.
    fn dead_letters_of<'a>(&'a self, route: &'a RouteConfig) -> BoxFuture<'a, Result<Vec<Destination>, Problem>>;

    /// Creates the sender of replayed dead letters.
    ///
    /// # Errors
    /// The client could not be created with this configuration.
    fn target(&self) -> Result<Box<dyn Target>, Problem>;

    /// Adds a source of a route to the origins that dead letters may name.
    fn add_origins(&self, source: &plan::Source, origins: &mut Origins);

    /// Returns whether the source has no more messages, after this host has received `received` of them. Only
    /// meaningful for a source that nobody else reads or writes. Returns `false` if the broker cannot be asked.
    fn is_exhausted<'a>(&'a self, source: &'a plan::Source, received: u64) -> BoxFuture<'a, bool>;

    /// Returns the health of the broker, including its dead-letter destinations.
    fn health(&self, dead_letters: Vec<LetterHealth>) -> BoxFuture<'_, BrokerHealth>;
}

/// The problem that the configuration has no section for this broker.
pub fn is_missing(name: &str) -> Problem {
    Problem::new(Exit::Configuration, format!("missing section [{name}]"), "")
}

/// The topic or queue that the original of a dead letter was read from; `None` where the letter does not name one, or names a
/// broker that this host does not know. A letter without a broker, such as one of another profile, comes from the broker that
/// stores it.
pub fn origin_of(letter: &Letter, stored_on: &str) -> Option<Destination> {
    let source = letter.origin()?;
    let broker = letter.reasons.as_ref().and_then(|reasons| reasons.broker.as_deref());
    topic_or_queue(broker.unwrap_or(stored_on), source)
}

#[cfg(test)]
mod tests {
    use cofferdam_core::dead_letter::Reasons;
    use cofferdam_core::message::{Position, Record};

    use super::*;
    use crate::dead_letters::origins::Origins;

    #[test]
    fn an_original_came_from_the_broker_that_its_dead_letter_names_not_from_one_with_such_positions() {
        let letter = |broker: Option<&str>| {
            let (source, position) = (Arc::from("orders"), Position::MessageId("m-1".into()));
            let original = Record {
                source: Arc::clone(&source),
                position: position.clone(),
                key: None,
                headers: Default::default(),
                payload: None,
                timestamp_ms: None,
            };
            let (broker, source, position) = (broker.map(Into::into), Some(source), Some(position));
            let reasons = Some(Box::new(Reasons { broker, source, position, ..Reasons::default() }));
            Letter { original, reasons }
        };
        assert_eq!(origin_of(&letter(Some(kafka::NAME)), sqs::NAME), Some(kafka::topic("orders")));
        assert_eq!(origin_of(&letter(Some(sqs::NAME)), kafka::NAME), Some(sqs::queue("orders")));
        assert_eq!(origin_of(&letter(None), kafka::NAME), Some(kafka::topic("orders")));
        assert_eq!(origin_of(&letter(Some("another")), kafka::NAME), None);
        assert_eq!(origin_of(&Letter { reasons: None, ..letter(None) }, kafka::NAME), None);
    }

    #[test]
    fn only_what_a_route_reads_is_known() {
        let mut origins = Origins::default();
        ["orders", r"^tenant\.[a-z]+$", "^(broken"].iter().for_each(|topic| kafka::add_origin(topic, &mut origins));
        ["tasks.fifo", "https://sqs.eu-west-1.amazonaws.com/123/mails"]
            .iter()
            .for_each(|queue| sqs::add_origin(queue, &mut origins));
        let queues = ["tasks.fifo", "mails"].map(sqs::queue);
        for known in ["orders", "tenant.acme"].map(kafka::topic).into_iter().chain(queues) {
            assert!(origins.know(&known), "{known}");
        }
        let queues = ["orders", ""].map(sqs::queue);
        let topics = ["payments", "tenant.1", "mails", "(broken"].map(kafka::topic);
        for unknown in topics.into_iter().chain(queues) {
            assert!(!origins.know(&unknown), "{unknown}");
        }
        assert!(Origins::any().know(&kafka::topic("payments")));
    }
}
