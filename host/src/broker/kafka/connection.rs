//! The connection to Kafka that a configuration describes: clients, topics, sources, sinks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Guarantee, Route};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::conditions::{self, Facts};
use super::dead_letters::{self, Lag, ToTopics, Topic};
use super::health::KafkaHealth;
use super::settings::{Settings, TopicSettings};
use super::sink::transaction;
use super::topics::{self, Creation, Ensured, Needed, Topics};
use super::{sink, source};
use crate::admin::{BrokerHealth, LetterHealth};
use crate::broker::findings::{Findings, Unfit};
use crate::broker::{Broker, Read};
use crate::clock::Clock;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::outlet::Target;
use crate::dead_letters::{Backlog, DeadLetters};
use crate::exit::{Exit, Problem};
use crate::plan::{self, Kind, Plan, RouteConfig};
use crate::sink::Sink;
use crate::transactions::Transactions;

/// `delivery.timeout.ms` of a producer that retries a message without a time limit.
const FOR_EVER: &str = "0";

/// Added to the revoke timeout: a flow gives up its partitions within the timeout, and the source waits a little
/// longer.
const LATER: Duration = Duration::from_secs(5);

/// The clients of a cluster.
pub struct Connection {
    plan: Arc<Plan>,
    settings: Settings,
    missing: TopicSettings,
    admin: Topics,
}

impl Connection {
    /// Creates the clients; sends no request.
    ///
    /// # Errors
    /// A client could not be created with this configuration.
    pub fn new(plan: Arc<Plan>, settings: Settings, missing: TopicSettings) -> Result<Self, Problem> {
        let admin = admin(&settings, format!("{}-admin", plan.client_id));
        let admin = admin.build().map_err(|error| configuration("kafka.properties", &error))?;
        Ok(Self { plan, settings, missing, admin })
    }

    fn needed(&self) -> Vec<Needed> {
        let tier = |kind| match kind {
            Kind::Standard => self.missing.standard.clone(),
            Kind::Error => self.missing.error.clone(),
        };
        let topics = super::topics_of(&self.plan.routes).into_iter();
        topics.map(|(name, kind)| Needed { name: name.into(), tier: tier(kind) }).collect()
    }

    /// Returns the missing topics, and the topics that this user may not see; creates none.
    async fn missing(&self) -> Result<Ensured, Problem> {
        let creation = if self.missing.create { Creation::Asked } else { Creation::Refused };
        self.admin.ensure(&self.needed(), creation).await.map_err(|error| topics_problem(&error))
    }

    /// Returns the violated conditions, as far as the brokers report the facts.
    async fn unfit(&self) -> Vec<Unfit> {
        let routes = &self.plan.routes;
        let topics: BTreeSet<String> = routes.iter().flat_map(conditions::topics).collect();
        let groups: BTreeSet<String> = routes.iter().filter_map(|route| route.source.group.clone()).collect();
        let (rules, (rights, groups)) = tokio::join!(
            self.admin.rules(topics.iter().map(String::as_str)),
            self.admin.rights(topics.clone(), groups)
        );
        let facts = Facts { rules, rights, groups };
        routes.iter().flat_map(|route| conditions::unfit(route, &facts)).collect()
    }

    /// Returns the finding that the topic exists but this user may not describe it.
    fn unseen(&self, topic: &str) -> Vec<Unfit> {
        let names = |route: &&RouteConfig| conditions::topics(route).contains(topic);
        let unfit = |route: &RouteConfig| Unfit {
            route: route.name().into(),
            what: format!("not authorized to describe topic {topic}, which exists"),
            remedy: "grant Describe on the topic, and Read or Write".to_owned(),
            is_grave: true,
            is_right: true,
        };
        self.plan.routes.iter().filter(names).map(unfit).collect()
    }

    /// Creates a producer that retries a publication for `delivery_timeout` (milliseconds); `None` uses the configured
    /// properties.
    fn producer(&self, delivery_timeout: Option<&str>) -> Result<sink::Kafka, Problem> {
        let mut properties = self.settings.properties.0.clone();
        if let Some(timeout) = delivery_timeout {
            properties.remove("message.timeout.ms");
            properties.insert("delivery.timeout.ms".to_owned(), timeout.to_owned());
        }
        let sink = sink::Config {
            bootstrap_servers: self.settings.bootstrap_servers.clone(),
            client_id: format!("{}-producer", self.plan.client_id),
            properties,
        };
        sink.build().map_err(|error| configuration("kafka.properties", &error))
    }

    /// Returns the consumer settings of a route; `None` if it reads no topic.
    fn consumer(&self, route: &RouteConfig) -> Option<source::Config> {
        let group = route.source.group.as_ref().filter(|_| route.source.broker == super::NAME)?;
        Some(source::Config {
            bootstrap_servers: self.settings.bootstrap_servers.clone(),
            client_id: format!("{}-{}", self.plan.client_id, route.name()),
            route: route.name().to_owned(),
            group: group.clone(),
            topics: route.source.texts().map(str::to_owned).collect(),
            properties: self.settings.properties.0.clone(),
            revoke_timeout: route.route(None).revoke_timeout + LATER,
        })
    }

    /// Returns the producer settings of a route with transactions; `None` if it uses none.
    fn transactional(&self, route: &Route) -> Option<transaction::Config> {
        let (Guarantee::ExactlyOnce, Some(group)) = (route.delivery, &route.group) else { return None };
        let Plan { service, client_id, machine, storage, .. } = &*self.plan;
        Some(transaction::Config {
            bootstrap_servers: self.settings.bootstrap_servers.clone(),
            client_id: format!("{client_id}-{}-transactions", route.name),
            route: route.name.to_string(),
            group: group.to_string(),
            id_prefix: format!("{service}-{}-{machine}", route.name),
            folder: storage.join("transactions"),
            properties: self.settings.properties.0.clone(),
        })
    }

    fn letters(&self) -> dead_letters::Config {
        dead_letters::Config {
            bootstrap_servers: self.settings.bootstrap_servers.clone(),
            client_id: format!("{}-dlq", self.plan.client_id),
            properties: self.settings.properties.0.clone(),
        }
    }
}

impl Broker for Connection {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.producer(Some(FOR_EVER)).err().into_iter().collect();
        for route in &self.plan.routes {
            let Some(consumer) = self.consumer(route) else { continue };
            problems.extend(consumer.check().err().map(|error| configuration(route.name(), &error)));
            let transactional = self.transactional(&route.route(None)).and_then(|config| config.check().err());
            problems.extend(transactional.map(|error| configuration(route.name(), &error)));
        }
        problems
    }

    fn ensure(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async {
            let creation = if self.missing.create { Creation::Done } else { Creation::Refused };
            let ensured = self.admin.ensure(&self.needed(), creation).await.map_err(|error| topics_problem(&error))?;
            if !ensured.made.is_empty() {
                tracing::info!(topics = ?ensured.made, "created missing topics");
            }
            Ok(())
        }
        .boxed()
    }

    fn examine<'a>(&'a self, findings: &'a mut Findings) -> BoxFuture<'a, ()> {
        async {
            match self.missing().await {
                Ok(ensured) => {
                    findings.creates.extend(ensured.made);
                    findings.unfit.extend(ensured.unseen.into_iter().flat_map(|topic| self.unseen(&topic)));
                }
                Err(problem) => {
                    let is_away = problem.exit == Exit::Unavailable;
                    findings.problems.push(problem);
                    // Do not send three more requests to an unreachable broker.
                    if is_away {
                        return;
                    }
                }
            }
            findings.unfit.extend(self.unfit().await);
        }
        .boxed()
    }

    fn source<'a>(&'a self, route: &'a RouteConfig, _clock: Clock) -> BoxFuture<'a, Result<Read, Problem>> {
        async {
            let core = Arc::new(route.route(None));
            let consumer = self.consumer(route).ok_or_else(|| crate::broker::is_missing(super::NAME))?;
            let source = consumer.build().map_err(|error| configuration(route.name(), &error))?;
            Ok::<Read, Problem>((Box::new(source), core))
        }
        .boxed()
    }

    fn transactions<'a>(&'a self, route: &'a Route) -> BoxFuture<'a, Result<Option<Box<dyn Transactions>>, Problem>> {
        async {
            let Some(transactional) = self.transactional(route) else { return Ok(None) };
            let transactions = transactional.connect().await.map_err(|error| match error {
                transaction::Error::Properties(_) => configuration("kafka.properties", &error),
                transaction::Error::Identity { .. } => configuration("storage.path", &error),
                transaction::Error::Refused { .. } => {
                    let remedy =
                        "exactly_once needs Apache Kafka 2.5 or later, and the right to write transactional ids";
                    Problem::new(Exit::Unavailable, error.to_string(), remedy).at(&*route.name)
                }
            })?;
            Ok(Some(Box::new(transactions) as Box<dyn Transactions>))
        }
        .boxed()
    }

    fn sink<'a>(&'a self, _names: BTreeSet<Arc<str>>) -> BoxFuture<'a, Result<Box<dyn Sink>, Problem>> {
        async { Ok(Box::new(self.producer(Some(FOR_EVER))?) as Box<dyn Sink>) }.boxed()
    }

    fn dead_letters<'a>(&'a self, name: &'a Arc<str>) -> BoxFuture<'a, Result<Box<dyn DeadLetters>, Problem>> {
        async {
            let topic = Topic::open(self.letters(), Arc::clone(name)).await;
            topic.map(|topic| Box::new(topic) as Box<dyn DeadLetters>).map_err(|error| error.problem())
        }
        .boxed()
    }

    fn backlog(&self, name: &Arc<str>) -> Result<Box<dyn Backlog>, Problem> {
        let lag = Lag::new(self.letters(), Arc::clone(name)).map_err(|error| error.problem())?;
        Ok(Box::new(lag))
    }

    /// Returns the dead-letter topic of each topic of the route, if each topic has its own. An error if only an
    /// expression names the topics.
    fn dead_letters_of<'a>(&'a self, route: &'a RouteConfig) -> BoxFuture<'a, Result<Vec<Destination>, Problem>> {
        async {
            let rule = route.route(None).dead_letter;
            if let DeadLetterRule::To(destination) = rule {
                return Ok(vec![destination]);
            }
            if let Some(expression) = route.source.patterns().next() {
                let what =
                    format!("the route reads the topics that match {expression:?}, and each has its own dead letters");
                return Err(Problem::new(Exit::Usage, what, "name one of them, for example kafka:orders.placed.dlq"));
            }
            Ok(route.source.named().map(|topic| rule.beside(topic)).collect())
        }
        .boxed()
    }

    fn target(&self) -> Result<Box<dyn Target>, Problem> {
        let admin = admin(&self.settings, format!("{}-dlq-admin", self.plan.client_id)).build();
        let admin = admin.map_err(|error| configuration("kafka.properties", &error))?;
        Ok(Box::new(ToTopics::new(self.producer(None)?, admin)))
    }

    fn add_origins(&self, source: &plan::Source, origins: &mut Origins) {
        source.texts().for_each(|topic| super::add_origin(topic, origins));
    }

    fn is_exhausted<'a>(&'a self, source: &'a plan::Source, received: u64) -> BoxFuture<'a, bool> {
        async move {
            let topics: Vec<Arc<str>> = source.texts().map(Into::into).collect();
            self.admin.records(&topics).await.is_ok_and(|records| received >= records)
        }
        .boxed()
    }

    fn health(&self, dead_letters: Vec<LetterHealth>) -> BoxFuture<'_, BrokerHealth> {
        async move {
            let expected: Vec<String> = super::topics_of(&self.plan.routes).into_keys().collect();
            let names: Vec<Arc<str>> = expected.iter().map(|name| name.as_str().into()).collect();
            let health = match self.admin.missing(&names).await {
                Ok(missing) => {
                    let missing = missing.iter().map(ToString::to_string).collect();
                    KafkaHealth { connected: true, expected, missing, dead_letters, error: None }
                }
                Err(error) => KafkaHealth {
                    connected: false,
                    expected,
                    missing: Vec::new(),
                    dead_letters,
                    error: Some(error.to_string()),
                },
            };
            BrokerHealth::of(health.connected, health.connected && health.missing.is_empty(), &health)
        }
        .boxed()
    }
}

fn admin(settings: &Settings, client_id: String) -> topics::Config {
    let (bootstrap_servers, properties) = (settings.bootstrap_servers.clone(), settings.properties.0.clone());
    topics::Config { bootstrap_servers, client_id, properties }
}

fn configuration(place: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(Exit::Configuration, error.to_string(), "").at(place)
}

fn topics_problem(error: &topics::Error) -> Problem {
    let remedy = match error {
        topics::Error::Missing { .. } => "create them, or set [topics] create = true",
        topics::Error::Refused { .. } => "create the topic, or grant the right to create it",
        _ => "",
    };
    Problem::new(Exit::Unavailable, error.to_string(), remedy)
}
