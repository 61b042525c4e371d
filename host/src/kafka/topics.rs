//! The topics that a configuration needs: which are missing, and making them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::journal::Journal;
use super::properties;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(15);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What a topic is for, and so how it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// 3 partitions, replication 3, 7 days, 2 in-sync replicas.
    Standard,
    /// Error events and dead letters: 1 partition, replication 3, 30 days, 1 in-sync replica.
    Error,
}

/// A topic that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub name: Arc<str>,
    /// How it is made where it is missing.
    pub tier: Tier,
}

/// A client for the brokers' administration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// Why topics are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka makes no client of this.
    #[error("no client for kafka's administration: {reason}")]
    Client {
        /// What librdkafka says.
        reason: Box<str>,
    },
    /// No broker has answered.
    #[error("kafka at {bootstrap_servers} cannot be asked for its topics: {reason}")]
    Unreachable {
        /// As configured.
        bootstrap_servers: Box<str>,
        /// What librdkafka says.
        reason: Box<str>,
    },
    /// Topics are missing, and are not to be made.
    #[error("topics are missing: {}", names.join(", "))]
    Missing {
        /// Which.
        names: Vec<Arc<str>>,
    },
    /// A broker has refused to make a topic.
    #[error("the topic {name} cannot be made: {reason}")]
    Refused {
        /// Which.
        name: Box<str>,
        /// What the broker says.
        reason: Box<str>,
    },
}

/// The topics of a cluster.
pub struct Topics {
    bootstrap_servers: Box<str>,
    admin: Arc<AdminClient<Context>>,
}

/// What there is in a cluster.
struct Found {
    brokers: usize,
    topics: BTreeSet<String>,
}

impl Config {
    /// Makes the client. Asks no broker.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`].
    pub fn build(self) -> Result<Topics, Error> {
        let decided = [("bootstrap.servers", self.bootstrap_servers.as_str()), ("client.id", &self.client_id)];
        let client = properties::client(&[], &self.properties, &decided)?;
        let admin = AdminClient::from_config_and_context(&client, Context(Journal::new("admin")))
            .map_err(|error| Error::Client { reason: error.to_string().into() })?;
        Ok(Topics { bootstrap_servers: self.bootstrap_servers.into(), admin: Arc::new(admin) })
    }
}

impl Topics {
    /// Which of these topics are not there, in their order; within 15 s.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn missing(&self, names: &[Arc<str>]) -> Result<Vec<Arc<str>>, Error> {
        let found = self.found().await?;
        Ok(names.iter().filter(|name| !found.topics.contains(&***name)).cloned().collect())
    }

    /// Sees to it that these topics are there, and returns those that were made. Replication and in-sync replicas are
    /// cut to the number of brokers, with a warning. Others may make the same topics at the same time.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Missing`] where some are and `create` is false; [`Error::Refused`].
    pub async fn ensure(&self, needed: &[Needed], create: bool) -> Result<Vec<Arc<str>>, Error> {
        let found = self.found().await?;
        let missing: BTreeMap<&Arc<str>, Tier> = needed
            .iter()
            .filter(|needed| !found.topics.contains(&*needed.name))
            .map(|needed| (&needed.name, needed.tier))
            .collect();
        let names: Vec<Arc<str>> = missing.keys().copied().cloned().collect();
        if names.is_empty() {
            return Ok(names);
        }
        if !create {
            return Err(Error::Missing { names });
        }
        let plans: Vec<(&str, Plan)> =
            missing.iter().map(|(name, tier)| (&***name, tier.plan().within(found.brokers, name))).collect();
        let settings: Vec<_> = plans.iter().map(|(_, plan)| plan.settings()).collect();
        let topics: Vec<NewTopic<'_>> = plans
            .iter()
            .zip(&settings)
            .map(|((name, plan), settings)| {
                let topic = NewTopic::new(name, plan.partitions, TopicReplication::Fixed(plan.replication));
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        self.create(&topics).await?;
        Ok(names)
    }

    async fn create(&self, topics: &[NewTopic<'_>]) -> Result<(), Error> {
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let results = self.admin.create_topics(topics, &options).await.map_err(|error| self.unreachable(&error))?;
        for result in results {
            match result {
                Ok(name) => tracing::info!(topic = name, "topic made"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Error::Refused { name: name.into(), reason: code.to_string().into() });
                }
            }
        }
        Ok(())
    }

    async fn found(&self) -> Result<Found, Error> {
        let admin = Arc::clone(&self.admin);
        // The call blocks. Asked for a single topic, a broker may make it; asked for all, it does not.
        let asked = tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(None, LIMIT)).await;
        let metadata = match asked {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => return Err(self.unreachable(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(Found { brokers: metadata.brokers().len(), topics: there.map(|topic| topic.name().to_owned()).collect() })
    }

    fn unreachable(&self, error: &KafkaError) -> Error {
        Error::Unreachable { bootstrap_servers: self.bootstrap_servers.clone(), reason: error.to_string().into() }
    }
}

/// How a topic is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    partitions: i32,
    replication: i32,
    in_sync: i32,
    retention_ms: u64,
}

impl Tier {
    fn plan(self) -> Plan {
        match self {
            Self::Standard => Plan { partitions: 3, replication: 3, in_sync: 2, retention_ms: 7 * DAY_MS },
            Self::Error => Plan { partitions: 1, replication: 3, in_sync: 1, retention_ms: 30 * DAY_MS },
        }
    }
}

impl Plan {
    /// What so many brokers can do of it.
    fn within(self, brokers: usize, topic: &str) -> Self {
        let brokers = i32::try_from(brokers).unwrap_or(i32::MAX).max(1);
        let replication = self.replication.min(brokers);
        let in_sync = self.in_sync.min(replication);
        if replication < self.replication {
            let wanted = self.replication;
            tracing::warn!(topic, brokers, wanted, replication, in_sync, "fewer brokers than replicas wanted");
        }
        Self { replication, in_sync, ..self }
    }

    fn settings(self) -> [(&'static str, String); 2] {
        [("retention.ms", self.retention_ms.to_string()), ("min.insync.replicas", self.in_sync.to_string())]
    }
}

struct Context(Journal);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.0.error(&error, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_cluster_gets_as_many_replicas_as_it_has_brokers() {
        let standard = |brokers| {
            let plan = Tier::Standard.plan().within(brokers, "t");
            (plan.partitions, plan.replication, plan.in_sync)
        };
        assert_eq!(standard(1), (3, 1, 1));
        assert_eq!(standard(2), (3, 2, 2));
        assert_eq!(standard(9), (3, 3, 2));
        let error = Tier::Error.plan().within(9, "t");
        assert_eq!((error.partitions, error.replication, error.in_sync), (1, 3, 1));
    }
}
