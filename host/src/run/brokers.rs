//! The configured brokers, and the topics, sinks and sources created on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Guarantee, Route};

use super::conditions::{self, Unfit};
use crate::aws;
use crate::aws::queue::{Depth, Queue};
use crate::clock::Clock;
use crate::config::{self, Config, Kind, RouteConfig};
use crate::dead_letters::kafka::Lag;
use crate::dead_letters::outlet::Outlet;
use crate::dead_letters::{self, Store};
use crate::exit::{Exit, Problem};
use crate::kafka::topics::{self, Creation, Ensured, Needed, Tier, Topics};
use crate::sink::kafka::transaction::{self, Transactions};
use crate::sink::{self, Sinks};
use crate::source::{self, Source};

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
            Some(sqs) => Some(aws::client(sqs.region.as_deref(), sqs.endpoint.as_deref()).await),
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
        let groups: BTreeSet<String> =
            config.routes.iter().filter_map(|route| route.source.group()).map(str::to_owned).collect();
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
    pub(super) async fn resolve(&self, name: &str) -> Result<Queue, aws::queue::Error> {
        match &self.sqs {
            Some(client) => Queue::resolve(client, name).await,
            None => Err(aws::queue::Error::Missing { queue: name.into(), text: "missing section [sqs]".into() }),
        }
    }

    /// What to tell people of a queue that cannot be used.
    pub(super) fn queue_problem(&self, error: &aws::queue::Error) -> Problem {
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
        aws::queue::depth(client, queue).await.map_err(|error| self.queues.problem(&error))
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
        let kafka = config.kafka.as_ref().map(|kafka| self.producer(kafka, Some(FOR_EVER)));
        let sqs = match &self.sqs {
            Some(client) => {
                let sink = sink::sqs::Config { limit: None, ..sink::sqs::Config::new(client.clone()) };
                let connected = sink::sqs::Sqs::connect(sink, queues(routes)).await;
                Some(connected.map_err(|error| self.queues.problem(&error))?)
            }
            None => None,
        };
        Ok(Sinks::new(kafka.transpose()?, sqs))
    }

    /// The transactions of a route that has each effect exactly once.
    ///
    /// # Errors
    /// When Kafka cannot be asked, or has no transactions.
    pub async fn transactions(&self, config: &Config, route: &Route) -> Result<Option<Transactions>, Problem> {
        let transactions = config.kafka.as_ref().and_then(|kafka| self.kafka_transactions(config, kafka, route));
        let Some(transactions) = transactions else { return Ok(None) };
        let connected = transactions.connect().await;
        connected.map(Some).map_err(|error| match error {
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
    pub async fn dead_letters(&self, config: &Config, at: &Destination) -> Result<Store, Problem> {
        let opened = match at {
            Destination::Kafka(topic) => {
                let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
                let reached = self.letters_config(kafka);
                dead_letters::kafka::Topic::open(reached, Arc::clone(topic)).await.map(Store::Kafka)
            }
            Destination::Sqs(queue) => {
                let client = self.sqs.clone().ok_or_else(|| without("sqs"))?;
                dead_letters::sqs::Queue::open(client, queue).await.map(Store::Sqs)
            }
        };
        opened.map_err(|error| error.problem().at(at.to_string()))
    }

    /// A look at how many letters of this topic are not replayed, as far as the group says; to be kept for the next.
    ///
    /// # Errors
    /// When the client cannot be made of the configuration.
    pub fn lag(&self, config: &Config, topic: &Arc<str>) -> Result<Lag, Problem> {
        let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
        Lag::new(self.letters_config(kafka), Arc::clone(topic)).map_err(|error| error.problem())
    }

    fn letters_config(&self, kafka: &config::Kafka) -> dead_letters::kafka::Config {
        dead_letters::kafka::Config {
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
        let queue = match &route.source {
            config::Source::Sqs { queue, .. } if route.dead_letter.is_none() => Some(self.queue(queue).await?),
            _ => None,
        };
        let topics = match route.route(queue.as_ref().and_then(redrive::of)).dead_letter {
            DeadLetterRule::To(destination) => return Ok(vec![destination]),
            DeadLetterRule::OwnTopic => route.source.topics(),
        };
        let topics: Vec<&str> = topics.collect();
        if let Some(expression) = topics.iter().find(|topic| topic.starts_with('^')) {
            let what =
                format!("the route reads the topics that match {expression:?}, and each has its own dead letters");
            return Err(Problem::new(Exit::Usage, what, "name one of them, for example kafka:orders.placed.dlq"));
        }
        Ok(topics.into_iter().map(|topic| Destination::Kafka(format!("{topic}.dlq").into())).collect())
    }

    /// A way out to any topic and queue, for what goes back to where it came from.
    ///
    /// # Errors
    /// When a client cannot be made of the configuration.
    pub fn outlet(&self, config: &Config) -> Result<Outlet, Problem> {
        let kafka = config.kafka.as_ref().map(|kafka| {
            let topics = topics_config(kafka, format!("{}-dlq-admin", self.client_id)).build();
            let topics = topics.map_err(|error| configuration("kafka.properties", &error))?;
            Ok((self.producer(kafka, None)?, topics))
        });
        Ok(Outlet::new(kafka.transpose()?, self.sqs.clone()))
    }

    /// A producer that tries a publication for `delivery_timeout` (milliseconds), or for what the properties say.
    fn producer(&self, kafka: &config::Kafka, delivery_timeout: Option<&str>) -> Result<sink::kafka::Kafka, Problem> {
        let mut properties = kafka.properties.0.clone();
        if let Some(timeout) = delivery_timeout {
            properties.remove("message.timeout.ms");
            properties.insert("delivery.timeout.ms".to_owned(), timeout.to_owned());
        }
        let sink = sink::kafka::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-producer", self.client_id),
            properties,
        };
        sink.build().map_err(|error| configuration("kafka.properties", &error))
    }

    /// How the consumer of a route is made; `None` where it reads no topic.
    fn kafka_source(&self, kafka: &config::Kafka, route: &RouteConfig) -> Option<source::kafka::Config> {
        let config::Source::Kafka { topics, group } = &route.source else { return None };
        Some(source::kafka::Config {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            client_id: format!("{}-{}", self.client_id, route.name()),
            route: route.name().to_owned(),
            group: group.clone(),
            topics: topics.clone(),
            properties: kafka.properties.0.clone(),
            // The flow gives up within its own limit; the source waits a little longer than that.
            release_limit: route.route(None).release_limit + std::time::Duration::from_secs(5),
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
    ) -> Result<(Source, Arc<Route>), Problem> {
        match &route.source {
            config::Source::Kafka { .. } => {
                let kafka = config.kafka.as_ref().ok_or_else(|| without("kafka"))?;
                let core = Arc::new(route.route(None));
                let source = self.kafka_source(kafka, route).ok_or_else(|| without("kafka"))?;
                let source = source.build().map_err(|error| configuration(route.name(), &error))?;
                Ok((Source::Kafka(source), core))
            }
            config::Source::Sqs { queue, lease, visibility_timeout: _, wait } => {
                let client = self.sqs.clone().ok_or_else(|| without("sqs"))?;
                let source = source::sqs::Config {
                    lease: *lease,
                    wait: *wait,
                    patience: *wait + std::time::Duration::from_secs(2),
                    ..source::sqs::Config::new(client, queue.clone(), clock)
                };
                let source = source::sqs::Sqs::connect(source).await.map_err(|error| match error {
                    source::sqs::Error::Queue(error) => self.queues.problem(&error),
                    other => unreachable(&other),
                })?;
                let core = Arc::new(route.route(redrive::of(source.queue())));
                Ok((Source::Sqs(source), core))
            }
        }
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
            DeadLetterRule::OwnTopic => None,
        };
        outputs.chain(dead_letter).chain(&route.errors)
    });
    let queues = destinations.filter_map(|destination| match destination {
        Destination::Sqs(queue) => Some(Arc::clone(queue)),
        Destination::Kafka(_) => None,
    });
    queues.collect()
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
