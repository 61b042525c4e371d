//! The configured brokers, and the topics, sinks and sources created on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Guarantee, Route};

use super::conditions::{self, Unfit};
use crate::broker::kafka::dead_letters::Lag;
use crate::broker::kafka::sink::transaction;
use crate::broker::kafka::topics::{self, Creation, Ensured, Needed, Tier, Topics};
use crate::broker::sqs::queue::{self, Depth, Queue};
use crate::broker::{kafka, sqs};
use crate::clock::Clock;
use crate::config::{self, Config, Kind, RouteConfig};
use crate::dead_letters::origins::Origins;
use crate::dead_letters::outlet::{Outlet, Target};
use crate::dead_letters::{Backlog, DeadLetters};
use crate::exit::{Exit, Problem};
use crate::sink::{Sink, Sinks};
use crate::source::Source;
use crate::transactions;

use super::queues::Queues;
use super::redrive;

/// `delivery.timeout.ms` of a producer that never gives a message up.
const FOR_EVER: &str = "0";

/// Connections to the brokers that a configuration names.
pub struct Brokers {
    client_id: String,
    kafka: Option<Topics>,
    sqs: Option<aws_sdk_sqs::Client>,
    queues: Queues,
}

impl Brokers {
    /// Makes the clients; asks no broker.
    ///
    /// # Errors
    /// When a client cannot be made of the configuration.
    pub async fn connect(config: &Config) -> Result<Self, Problem> {
        let client_id = client_id(&config.service.name);
        let kafka = config.kafka.as_ref().map(|kafka| {
            let topics = topics_config(kafka, format!("{client_id}-admin"));
            topics.build().map_err(|error| configuration("kafka.properties", &error))
        });
        let sqs = match &config.sqs {
            Some(sqs) => Some(sqs::client(sqs.region.as_deref(), sqs.endpoint.as_deref()).await),
            None => None,
        };
        let region = sqs.as_ref().and_then(|client| client.config().region());
        let queues = Queues::of(config, region.map(AsRef::as_ref));
        Ok(Self { client_id, kafka: kafka.transpose()?, sqs, queues })
    }

    /// Sees to it that the topics are there: made where they may be, refused by name where not.
    ///
    /// # Errors
    /// When Kafka cannot be asked, or topics are missing and are not to be made.
    pub async fn ensure_topics(&self, config: &Config) -> Result<(), Problem> {
        let Some(kafka) = &self.kafka else { return Ok(()) };
        let creation = if config.topics.create { Creation::Done } else { Creation::Refused };
        let ensured = kafka.ensure(&needed(config), creation).await.map_err(|error| topics_problem(&error))?;
        if !ensured.made.is_empty() {
            tracing::info!(topics = ?ensured.made, "created missing topics");
        }
        Ok(())
    }

    /// The topics that are missing, as [`ensure_topics`](Self::ensure_topics) would find them; makes none.
    pub(super) async fn missing(&self, config: &Config) -> Result<Ensured, Problem> {
        let Some(kafka) = &self.kafka else { return Ok(Ensured::default()) };
        let creation = if config.topics.create { Creation::Asked } else { Creation::Refused };
        kafka.ensure(&needed(config), creation).await.map_err(|error| topics_problem(&error))
    }

    /// Makes each Kafka client that the routes need, as it will be made, and drops it: its properties are checked together.
    ///
    /// # Errors
    /// What librdkafka refuses.
    pub fn clients(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let Some(kafka) = &config.kafka else { return Ok(()) };
        let mut problems: Vec<Problem> = self.producer(kafka, Some(FOR_EVER)).err().into_iter().collect();
        for route in &config.routes {
            let Some(source) = self.kafka_source(kafka, route) else { continue };
            problems.extend(source.check().err().map(|error| configuration(route.name(), &error)));
            let transactions = self.kafka_transactions(config, kafka, &route.route(None));
            problems.extend(
                transactions.and_then(|config| config.check().err()).map(|error| configuration(route.name(), &error)),
            );
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The topics that the configuration names and Kafka does not have.
    ///
    /// # Errors
    /// When Kafka cannot be asked.
    pub async fn missing_topics(&self, config: &Config) -> Result<Vec<Arc<str>>, Problem> {
        let Some(kafka) = &self.kafka else { return Ok(Vec::new()) };
        let names: Vec<Arc<str>> = needed(config).into_iter().map(|needed| needed.name).collect();
        kafka.missing(&names).await.map_err(|error| unreachable(&error))
    }

    /// What is not as each route needs it, as far as the brokers tell.
    pub async fn unfit(&self, config: &Config) -> Vec<Unfit> {
        let Some(kafka) = &self.kafka else { return Vec::new() };
        let topics: BTreeSet<String> = config.routes.iter().flat_map(conditions::topics).collect();
        let groups: BTreeSet<String> = config.routes.iter().filter_map(|route| route.source.group.clone()).collect();
        let (rules, (rights, groups)) =
            tokio::join!(kafka.rules(topics.iter().map(String::as_str)), kafka.rights(topics.clone(), groups));
        let told = conditions::Told { rules, rights, groups };
        config.routes.iter().flat_map(|route| conditions::unfit(route, &told)).collect()
    }

    /// A queue and its attributes.
    ///
    /// # Errors
    /// When it is not there or cannot be asked.
    pub async fn queue(&self, name: &str) -> Result<Queue, Problem> {
        let client = self.sqs.as_ref().ok_or_else(|| without("sqs"))?;
        Queue::resolve(client, name).await.map_err(|error| self.queues.problem(&error))
    }

    /// The same, for whoever tells a missing queue from others.
    pub(super) async fn resolve(&self, name: &str) -> Result<Queue, queue::Error> {
        match &self.sqs {
            Some(client) => Queue::resolve(client, name).await,
            None => Err(queue::Error::Missing { queue: name.into(), text: "missing section [sqs]".into() }),
        }
    }

    /// What to tell people of a queue that cannot be used.
    pub(super) fn queue_problem(&self, error: &queue::Error) -> Problem {
        self.queues.problem(error)
    }

    /// Creates a queue, see [`Queue::create`].
    pub(super) async fn create_queue(&self, name: &str, redrive: Option<(&str, u32)>) -> Result<(), Problem> {
        let client = self.sqs.as_ref().ok_or_else(|| without("sqs"))?;
        Queue::create(client, name, redrive).await.map_err(|error| self.queues.problem(&error))
    }

    /// How full a queue is.
    ///
    /// # Errors
    /// When it is not there or cannot be asked.
    pub async fn depth(&self, queue: &str) -> Result<Depth, Problem> {
        let client = self.sqs.as_ref().ok_or_else(|| without("sqs"))?;
        queue::depth(client, queue).await.map_err(|error| self.queues.problem(&error))
    }

    /// Records in these topics, from the first that is kept to the last.
    ///
    /// # Errors
    /// When Kafka cannot be asked.
    pub async fn records(&self, topics: &[Arc<str>]) -> Result<u64, Problem> {
        let kafka = self.kafka.as_ref().ok_or_else(|| without("kafka"))?;
        kafka.records(topics).await.map_err(|error| unreachable(&error))
    }

    /// Everything that the routes write to.
    ///
    /// # Errors
    /// When a sink cannot be made, or a queue is not there.
    pub async fn sinks(&self, config: &Config, routes: &[Arc<Route>]) -> Result<Sinks, Problem> {
        let mut sinks: Vec<(&str, Box<dyn Sink>)> = Vec::new();
        if let Some(kafka) = &config.kafka {
            sinks.push((kafka::NAME, Box::new(self.producer(kafka, Some(FOR_EVER))?)));
        }
        if let Some(client) = &self.sqs {
            let sink = sqs::sink::Config { limit: None, ..sqs::sink::Config::new(client.clone()) };
            let connected = sqs::sink::Sqs::connect(sink, queues(routes)).await;
            sinks.push((sqs::NAME, Box::new(connected.map_err(|error| self.queues.problem(&error))?)));
        }
        Ok(Sinks::new(sinks))
    }

    /// The transactions of a route that has each effect exactly once.
    ///
    /// # Errors
    /// When Kafka cannot be asked, or has no transactions.
    pub async fn transactions(
        &self,
        config: &Config,
        route: &Route,
    ) -> Result<Option<Box<dyn transactions::Transactions>>, Problem> {
        let transactions = config.kafka.as_ref().and_then(|kafka| self.kafka_transactions(config, kafka, route));
        let Some(transactions) = transactions else { return Ok(None) };
        let connected = transactions.connect().await;
        let transactions = connected.map(|transactions| Some(Box::new(transactions) as _));
        transactions.map_err(|error| match error {
            transaction::Error::Properties(_) => configuration("kafka.properties", &error),
            transaction::Error::Identity { .. } => configuration("storage.path", &error),
            transaction::Error::Refused { .. } => {
                let remedy = "exactly_once needs Apache Kafka 2.5 or later, and the right to write transactional ids";
                Problem::new(Exit::Unavailable, error.to_string(), remedy).at(&*route.name)
            }
        })
    }

    /// The dead letters at this topic or queue.
    ///
    /// # Errors
    /// When it is not there or cannot be asked.
    pub async fn dead_letters(&self, config: &Config, at: &Destination) -> Result<Box<dyn DeadLetters>, Problem> {
        let opened = if at.broker == kafka::NAME {
            let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
            let topic = kafka::dead_letters::Topic::open(self.letters_config(kafka), Arc::clone(&at.name)).await;
            topic.map(|topic| Box::new(topic) as Box<dyn DeadLetters>)
        } else {
            let client = self.sqs.clone().ok_or_else(|| without("sqs"))?;
            let queue = sqs::dead_letters::Queue::open(client, &at.name).await;
            queue.map(|queue| Box::new(queue) as Box<dyn DeadLetters>)
        };
        opened.map_err(|error| error.problem().at(at.to_string()))
    }

    /// A look at how many letters are not dealt with here, as far as the broker says; to be kept for the next.
    ///
    /// # Errors
    /// When the client cannot be made of the configuration.
    pub fn backlog(&self, config: &Config, at: &Destination) -> Result<Box<dyn Backlog>, Problem> {
        if at.broker == kafka::NAME {
            let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
            let lag = Lag::new(self.letters_config(kafka), Arc::clone(&at.name)).map_err(|error| error.problem())?;
            Ok(Box::new(lag))
        } else {
            let client = self.sqs.clone().ok_or_else(|| without("sqs"))?;
            Ok(Box::new(sqs::dead_letters::Fill::new(client, Arc::clone(&at.name))))
        }
    }

    /// Where letters may say that they came from: the sources of all routes.
    pub fn origins(&self, config: &Config) -> Origins {
        let mut origins = Origins::default();
        for route in &config.routes {
            let add = if route.source.broker == kafka::NAME { kafka::add_origin } else { sqs::add_origin };
            route.source.texts().for_each(|name| add(name, &mut origins));
        }
        origins
    }

    fn letters_config(&self, kafka: &config::Kafka) -> kafka::dead_letters::Config {
        kafka::dead_letters::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-dlq", self.client_id),
            properties: kafka.properties.0.clone(),
        }
    }

    /// Where the dead letters of a route go. A topic for each of the route's, where each has its own.
    ///
    /// # Errors
    /// When they are in topics that only an expression names, or the source's queue cannot be asked.
    pub async fn dead_letters_of(&self, route: &RouteConfig) -> Result<Vec<Destination>, Problem> {
        let queue = match route.source.named().next() {
            Some(queue) if route.source.broker == sqs::NAME && route.dead_letter.is_none() => {
                Some(self.queue(queue).await?)
            }
            _ => None,
        };
        let rule = route.route(queue.as_ref().and_then(redrive::of)).dead_letter;
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

    /// A way out to any topic and queue, for what goes back to where it came from.
    ///
    /// # Errors
    /// When a client cannot be made of the configuration.
    pub fn outlet(&self, config: &Config) -> Result<Outlet, Problem> {
        let mut targets: Vec<(&str, Box<dyn Target>)> = Vec::new();
        if let Some(kafka) = &config.kafka {
            let topics = topics_config(kafka, format!("{}-dlq-admin", self.client_id)).build();
            let topics = topics.map_err(|error| configuration("kafka.properties", &error))?;
            let target = kafka::dead_letters::ToTopics::new(self.producer(kafka, None)?, topics);
            targets.push((kafka::NAME, Box::new(target)));
        }
        if let Some(client) = &self.sqs {
            targets.push((sqs::NAME, Box::new(sqs::dead_letters::ToQueues::new(client.clone()))));
        }
        Ok(Outlet::new(targets))
    }

    /// A producer that tries a publication for `delivery_timeout` (milliseconds), or for what the properties say.
    fn producer(&self, kafka: &config::Kafka, delivery_timeout: Option<&str>) -> Result<kafka::sink::Kafka, Problem> {
        let mut properties = kafka.properties.0.clone();
        if let Some(timeout) = delivery_timeout {
            properties.remove("message.timeout.ms");
            properties.insert("delivery.timeout.ms".to_owned(), timeout.to_owned());
        }
        let sink = kafka::sink::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-producer", self.client_id),
            properties,
        };
        sink.build().map_err(|error| configuration("kafka.properties", &error))
    }

    /// How the consumer of a route is made; `None` where it reads no topic.
    fn kafka_source(&self, kafka: &config::Kafka, route: &RouteConfig) -> Option<kafka::source::Config> {
        let group = route.source.group.as_ref().filter(|_| route.source.broker == kafka::NAME)?;
        Some(kafka::source::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-{}", self.client_id, route.name()),
            route: route.name().to_owned(),
            group: group.clone(),
            topics: route.source.texts().map(str::to_owned).collect(),
            properties: kafka.properties.0.clone(),
            // The flow gives up within its own limit; the source waits a little longer than that.
            revoke_timeout: route.route(None).revoke_timeout + std::time::Duration::from_secs(5),
        })
    }

    /// How the producer of a route with transactions is made; `None` where it has none.
    fn kafka_transactions(&self, config: &Config, kafka: &config::Kafka, route: &Route) -> Option<transaction::Config> {
        let (Guarantee::ExactlyOnce, Some(group)) = (route.delivery, &route.group) else { return None };
        Some(transaction::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-{}-transactions", self.client_id, route.name),
            route: route.name.to_string(),
            group: group.to_string(),
            id_prefix: format!("{}-{}-{}", config.service.name, route.name, host_name()),
            folder: config.storage.path.join("transactions"),
            properties: kafka.properties.0.clone(),
        })
    }

    /// The source of a route, and the route with what only its source knows. Nothing is received before the first
    /// grant.
    ///
    /// # Errors
    /// When the client cannot be made, or the queue is not there.
    pub async fn source(
        &self,
        config: &Config,
        route: &RouteConfig,
        clock: Clock,
    ) -> Result<(Box<dyn Source>, Arc<Route>), Problem> {
        let read = &route.source;
        if read.broker == kafka::NAME {
            let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
            let core = Arc::new(route.route(None));
            let source = self.kafka_source(kafka, route).ok_or_else(|| without("kafka"))?;
            let source = source.build().map_err(|error| configuration(route.name(), &error))?;
            return Ok((Box::new(source), core));
        }
        let client = self.sqs.clone().ok_or_else(|| without("sqs"))?;
        let queue = read.named().next().unwrap_or_default();
        let source = sqs::source::Config {
            lease: read.traits.lease.unwrap_or_default().length,
            wait: read.wait,
            patience: read.wait + std::time::Duration::from_secs(2),
            ..sqs::source::Config::new(client, queue, clock)
        };
        let source = sqs::source::Sqs::connect(source).await.map_err(|error| match error {
            sqs::source::Error::Queue(error) => self.queues.problem(&error),
            other => unreachable(&other),
        })?;
        let core = Arc::new(route.route(redrive::of(source.queue())));
        Ok((Box::new(source), core))
    }

    /// Whether nothing is left to receive of a source of which this host has received so many messages. Only for sources
    /// that nobody else reads or writes; `false` where the broker cannot be asked.
    pub async fn is_exhausted(&self, source: &config::Source, received: u64) -> bool {
        let names: Vec<Arc<str>> = source.texts().map(Into::into).collect();
        if source.broker == kafka::NAME {
            return self.records(&names).await.is_ok_and(|records| received >= records);
        }
        for queue in &names {
            if !self.depth(queue).await.is_ok_and(|depth| depth.total() == 0) {
                return false;
            }
        }
        true
    }
}

fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if host.trim().is_empty() { "host".to_owned() } else { host.trim().to_owned() }
}

fn topics_config(kafka: &config::Kafka, client_id: String) -> topics::Config {
    let (bootstrap_servers, properties) = (kafka.bootstrap_servers.clone(), kafka.properties.0.clone());
    topics::Config { bootstrap_servers, client_id, properties }
}

/// Unique for each process: service, host name, random suffix.
fn client_id(service: &str) -> String {
    let host = host_name();
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    format!("{service}-{host}-{}", &suffix[..8])
}

fn needed(config: &Config) -> Vec<Needed> {
    let topics = config.kafka_topics().into_iter();
    let needed = topics.map(|(name, kind)| Needed { name: name.into(), tier: tier(config, kind) });
    needed.collect()
}

fn tier(config: &Config, kind: Kind) -> Tier {
    match kind {
        Kind::Standard => config.topics.standard.clone(),
        Kind::Error => config.topics.error.clone(),
    }
}

/// The queues that these routes write to.
fn queues(routes: &[Arc<Route>]) -> BTreeSet<Arc<str>> {
    let destinations = routes.iter().flat_map(|route| {
        let outputs = route.outputs.values().map(|rule| &rule.destination);
        let dead_letter = match &route.dead_letter {
            DeadLetterRule::To(destination) => Some(destination),
            DeadLetterRule::BesideSource { .. } => None,
        };
        outputs.chain(dead_letter).chain(&route.errors)
    });
    let queues = destinations.filter(|destination| destination.broker == sqs::NAME);
    queues.map(|queue| Arc::clone(&queue.name)).collect()
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

fn unreachable(error: &dyn std::error::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "")
}

fn without(section: &str) -> Problem {
    Problem::new(Exit::Configuration, format!("missing section [{section}]"), "")
}
