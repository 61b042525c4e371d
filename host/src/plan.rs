//! The plan of a host: its routes as configured, as plain data. Brokers are created from it.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Guarantee, Route};
use cofferdam_core::source::SourceTraits;

/// The parts of a configuration that brokers need.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The name of the service.
    pub service: String,
    /// The client id, unique for this process. Clients append a suffix.
    pub client_id: String,
    /// The name of the machine.
    pub machine: String,
    /// The folder for files of the host.
    pub storage: PathBuf,
    /// The routes in the order of the configuration file.
    pub routes: Vec<RouteConfig>,
}

impl Plan {
    /// Returns the configured destinations of all routes, with their kinds.
    pub fn destinations(&self) -> impl Iterator<Item = (&Destination, Kind)> {
        self.routes.iter().flat_map(RouteConfig::destinations)
    }
}

/// The source of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the broker in the configuration: `kafka`.
    pub broker: &'static str,
    /// At least one topic or queue.
    pub names: Vec<Name>,
    /// The consumer group, if the broker has groups.
    pub group: Option<String>,
    /// The maximum time that one receive waits for messages. Not used with brokers that push messages.
    pub wait: Duration,
    /// Its traits.
    pub traits: SourceTraits,
}

/// A topic or queue that a route reads, or a regular expression for topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, the URL of a queue (`http...`), or the expression.
    pub text: String,
    /// Whether `text` is a regular expression.
    pub is_pattern: bool,
}

impl Source {
    /// Returns the names of topics and queues, without expressions.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|name| !name.is_pattern).map(|name| name.text.as_str())
    }

    /// Returns the expressions for topics.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|name| name.is_pattern).map(|name| name.text.as_str())
    }

    /// Returns names and expressions in the order of the configuration file.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.text.as_str())
    }

    /// Returns whether the source was valid.
    pub fn is_complete(&self) -> bool {
        !self.names.is_empty()
    }
}

/// The use of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A source or an output.
    Standard,
    /// Dead letters or error events.
    Error,
}

/// The redrive policy of the queue that a route reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The queue that SQS moves messages to.
    pub to: Destination,
    /// `maxReceiveCount`: the number of receives after which a message is moved.
    pub max_receives: Option<u32>,
}

/// `[[routes]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteConfig {
    /// The plugin that handles its messages: a key of `plugins` in the configuration.
    pub handler: String,
    /// The source of its messages.
    pub source: Source,
    /// The configured dead-letter destination. `None` on SQS: the queue of the redrive policy, which is known after the
    /// start.
    pub dead_letter: Option<DeadLetterRule>,
    /// The route with the default rule for dead letters. [`RouteConfig::route`] replaces that rule if there is a
    /// redrive policy.
    route: Route,
}

impl RouteConfig {
    /// Creates a route. `route` contains the rule for dead letters that applies if `dead_letter` is `None`.
    pub fn new(handler: String, source: Source, dead_letter: Option<DeadLetterRule>, route: Route) -> Self {
        Self { handler, source, dead_letter, route }
    }

    /// Its name, unique in the file.
    pub fn name(&self) -> &str {
        &self.route.name
    }

    /// Returns the route for the core. On SQS, `redrive` limits the number of receives, and its queue is the default
    /// dead-letter destination. Without both, dead letters go to the queue `<service>-dlq`, or `<service>-dlq.fifo` for
    /// a FIFO source. The caller must check that this queue exists.
    pub fn route(&self, redrive: Option<Redrive>) -> Route {
        let mut route = self.route.clone();
        if route.source.counts_deliveries {
            route.source.max_receives = redrive.as_ref().and_then(|redrive| redrive.max_receives);
        }
        if let (None, Some(redrive)) = (&self.dead_letter, redrive) {
            route.dead_letter = DeadLetterRule::To(redrive.to);
        }
        route
    }

    /// Returns the delivery guarantee.
    pub fn delivery(&self) -> Guarantee {
        self.route.delivery
    }

    /// Returns the maximum number of concurrent attempts.
    pub fn concurrency(&self) -> u32 {
        self.route.concurrency
    }

    /// Returns whether an event that was handled before is acknowledged without handling it again.
    pub fn suppresses_duplicates(&self) -> bool {
        self.route.suppress_duplicates
    }

    /// Returns every configured destination of this route.
    pub fn destinations(&self) -> impl Iterator<Item = (&Destination, Kind)> {
        let outputs = self.route.outputs.values().map(|rule| (&rule.destination, Kind::Standard));
        let dead_letter = self.dead_letter.iter().filter_map(|rule| match rule {
            DeadLetterRule::To(destination) => Some((destination, Kind::Error)),
            DeadLetterRule::BesideSource { .. } => None,
        });
        outputs.chain(dead_letter).chain(self.route.errors.iter().map(|errors| (errors, Kind::Error)))
    }

    /// Returns the route as configured, for checks.
    pub fn parts(&self) -> &Route {
        &self.route
    }
}
