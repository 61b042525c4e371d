//! The connections to the configured brokers.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Route};

use crate::broker::findings::Findings;
use crate::broker::{Broker, Read, is_missing};
use crate::clock::Clock;
use crate::config::{Config, RouteConfig};
use crate::dead_letters::origins::Origins;
use crate::dead_letters::outlet::Outlet;
use crate::dead_letters::{Backlog, DeadLetters};
use crate::exit::Problem;
use crate::plan::{self, Plan};
use crate::sink::Sinks;
use crate::transactions::Transactions;

/// The configured brokers, with their clients.
pub struct Brokers {
    plan: Arc<Plan>,
    all: Vec<Box<dyn Broker>>,
}

impl Brokers {
    /// Makes the clients without contacting a broker.
    ///
    /// # Errors
    /// The configuration does not allow a client to be made.
    pub async fn connect(config: &Config) -> Result<Self, Problem> {
        let machine = machine();
        let plan = Arc::new(Plan {
            client_id: client_id(&config.service.name, &machine),
            service: config.service.name.clone(),
            machine,
            storage: config.storage.path.clone(),
            routes: config.routes.clone(),
        });
        let all = config.connect(&plan).await?;
        Ok(Self { plan, all })
    }

    /// All configured brokers.
    pub fn all(&self) -> impl Iterator<Item = &dyn Broker> {
        self.all.iter().map(|broker| &**broker)
    }

    /// The broker with this name.
    ///
    /// # Errors
    /// The configuration has no section for it.
    pub fn of(&self, name: &str) -> Result<&dyn Broker, Problem> {
        self.all().find(|broker| broker.name() == name).ok_or_else(|| is_missing(name))
    }

    /// Makes each client that the routes need, and drops it. Contacts no broker.
    ///
    /// # Errors
    /// The clients that cannot be made, each with the reason.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let problems: Vec<Problem> = self.all().flat_map(Broker::check).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Creates missing topics and queues where the configuration allows it.
    ///
    /// # Errors
    /// A broker does not answer, or a topic or queue is missing and may not be created.
    pub async fn ensure(&self) -> Result<(), Problem> {
        for broker in self.all() {
            broker.ensure().await?;
        }
        Ok(())
    }

    /// Checks everything that the configuration names on all brokers, and creates nothing.
    pub async fn examine(&self) -> Findings {
        let mut findings = Findings::default();
        for broker in self.all() {
            broker.examine(&mut findings).await;
        }
        findings
    }

    /// Returns the source of a route, and the route completed with facts that only the source knows.
    ///
    /// # Errors
    /// The client cannot be made, or the topic or queue does not exist.
    pub async fn source(&self, route: &RouteConfig, clock: Clock) -> Result<Read, Problem> {
        self.of(route.source.broker)?.source(route, clock).await
    }

    /// Returns the transactions of a route, if its delivery is exactly once.
    ///
    /// # Errors
    /// The broker does not answer or has no transactions.
    pub async fn transactions(
        &self,
        configured: &RouteConfig,
        route: &Route,
    ) -> Result<Option<Box<dyn Transactions>>, Problem> {
        self.of(configured.source.broker)?.transactions(route).await
    }

    /// Returns the sinks for everything that the routes write, and with `feeds` also for what they read.
    ///
    /// # Errors
    /// A sink cannot be made, or a destination does not exist.
    pub async fn sinks(&self, routes: &[Arc<Route>], feeds: bool) -> Result<Sinks, Problem> {
        let mut sinks = Vec::with_capacity(self.all.len());
        for broker in self.all() {
            let name = broker.name();
            let mut names: BTreeSet<Arc<str>> = written(routes, name).cloned().collect();
            if feeds {
                let read = self.plan.routes.iter().map(|route| &route.source).filter(|source| source.broker == name);
                names.extend(read.flat_map(plan::Source::named).map(Into::into));
            }
            sinks.push((name, broker.sink(names).await?));
        }
        Ok(Sinks::new(sinks))
    }

    /// Opens the dead letters in this topic or queue.
    ///
    /// # Errors
    /// The topic or queue does not exist, or the broker does not answer.
    pub async fn dead_letters(&self, at: &Destination) -> Result<Box<dyn DeadLetters>, Problem> {
        let opened = self.of(at.broker)?.dead_letters(&at.name).await;
        opened.map_err(|problem| problem.at(at.to_string()))
    }

    /// Returns a counter of the dead letters in this topic or queue. Keep it for repeated checks.
    ///
    /// # Errors
    /// The configuration does not allow a client to be made.
    pub fn backlog(&self, at: &Destination) -> Result<Box<dyn Backlog>, Problem> {
        self.of(at.broker)?.backlog(&at.name)
    }

    /// Returns the destinations of the dead letters of a route.
    ///
    /// # Errors
    /// Only an expression names them, or the broker does not answer.
    pub async fn dead_letters_of(&self, route: &RouteConfig) -> Result<Vec<Destination>, Problem> {
        self.of(route.source.broker)?.dead_letters_of(route).await
    }

    /// Returns the writer of replayed dead letters, to any broker.
    ///
    /// # Errors
    /// The configuration does not allow a client to be made.
    pub fn outlet(&self) -> Result<Outlet, Problem> {
        let targets = self.all().map(|broker| Ok((broker.name(), broker.target()?)));
        Ok(Outlet::new(targets.collect::<Result<_, Problem>>()?))
    }

    /// The topics and queues that a dead letter may name as its origin: the sources of all routes.
    pub fn origins(&self) -> Origins {
        let mut origins = Origins::default();
        for source in self.plan.routes.iter().map(|route| &route.source) {
            if let Ok(broker) = self.of(source.broker) {
                broker.add_origins(source, &mut origins);
            }
        }
        origins
    }

    /// Whether the source has no more messages, given the number that this host has received from it; see
    /// [`Broker::is_exhausted`].
    pub async fn is_exhausted(&self, source: &plan::Source, received: u64) -> bool {
        match self.of(source.broker) {
            Ok(broker) => broker.is_exhausted(source, received).await,
            Err(_) => false,
        }
    }
}

/// The topics or queues of this broker that the routes write to.
fn written<'a>(routes: &'a [Arc<Route>], broker: &str) -> impl Iterator<Item = &'a Arc<str>> {
    let destinations = routes.iter().flat_map(|route| {
        let outputs = route.outputs.values().map(|rule| &rule.destination);
        let dead_letter = match &route.dead_letter {
            DeadLetterRule::To(destination) => Some(destination),
            DeadLetterRule::BesideSource { .. } => None,
        };
        outputs.chain(dead_letter).chain(&route.errors)
    });
    destinations.filter(move |destination| destination.broker == broker).map(|destination| &destination.name)
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "host".to_owned() } else { name.trim().to_owned() }
}

/// Returns an id that is unique for each process: service, machine, random suffix.
fn client_id(service: &str, machine: &str) -> String {
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    format!("{service}-{machine}-{}", &suffix[..8])
}
