//! The topics that a configuration needs: finds the missing ones and creates them.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::journal::Journal;
use super::properties;
use super::revival::Revival;
use super::rights::{self, Group, Rights};
use super::words;
pub use rules::Rules;

/// Time limit of one request.
const LIMIT: Duration = Duration::from_secs(15);

/// Maximum time until a broker lists new topics. A broker learns of them from the controller after the creation was
/// confirmed.
const LISTED: Duration = Duration::from_secs(10);

/// Time between two requests for the list.
const AGAIN: Duration = Duration::from_millis(50);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings with which a missing topic is created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier {
    /// The number of partitions, 1 to 10,000.
    pub partitions: u32,
    /// The replication factor, 1 to 100, at most the number of brokers.
    pub replication: u16,
    /// `retention.ms`, 1 s to 100 years.
    pub retention: Duration,
    /// `min.insync.replicas`, 1 to `replication`.
    pub min_insync_replicas: u16,
    /// Whether retention uses the time of the append instead of the timestamp of the record. A dead letter has the
    /// timestamp of its original, so an old one would be deleted as soon as it is stored.
    pub keeps_by_append_time: bool,
}

impl Tier {
    /// Returns the settings for sources and outputs: 3 partitions, replication 3, 7 days, 2 in-sync replicas.
    pub fn standard() -> Self {
        Self { partitions: 3, replication: 3, retention: 7 * DAY, min_insync_replicas: 2, keeps_by_append_time: false }
    }

    /// Returns the settings for error events and dead letters: 1 partition, replication 3, 30 days, 1 in-sync replica.
    pub fn error() -> Self {
        Self { partitions: 1, replication: 3, retention: 30 * DAY, min_insync_replicas: 1, keeps_by_append_time: true }
    }
}

/// A required topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The name of the topic.
    pub name: Arc<str>,
    /// The settings if it must be created.
    pub tier: Tier,
}

/// What to do about missing topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// Report an error.
    Refused,
    /// Ask the brokers whether they would create the topics; create none.
    Asked,
    /// Create them.
    Done,
}

/// The result for the required topics.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// Topics that were created, or that would be.
    pub made: Vec<Arc<str>>,
    /// Topics that exist but that this user may not see.
    pub unseen: Vec<Arc<str>>,
}

/// The settings of an admin client.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The client id, unique in this process.
    pub client_id: String,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// The reason why topics are missing or could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property is invalid or not allowed.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka does not create a client with these settings.
    #[error("failed to create a kafka admin client: {reason}")]
    Client {
        /// The error text of librdkafka.
        reason: Box<str>,
    },
    /// No broker has answered.
    #[error("failed to list the topics of kafka at {bootstrap_servers}: {reason}")]
    Unreachable {
        /// The bootstrap servers, as configured.
        bootstrap_servers: Box<str>,
        /// The error text of librdkafka.
        reason: Box<str>,
    },
    /// Topics are missing, and the configuration does not allow creating them.
    #[error("missing topics: {}", names.join(", "))]
    Missing {
        /// The names of the missing topics.
        names: Vec<Arc<str>>,
    },
    /// A broker refused to create a topic.
    #[error("failed to create topic {name}: {reason}")]
    Refused {
        /// The name of the topic.
        name: Box<str>,
        /// The error text of the broker.
        reason: Box<str>,
    },
    /// A broker refused to remove a topic or a group.
    #[error("failed to remove {name}: {reason}")]
    NotRemoved {
        /// The name of the topic or group.
        name: Box<str>,
        /// The error text of the broker.
        reason: Box<str>,
    },
}

/// The topics of a cluster, through an admin client.
pub struct Topics {
    bootstrap_servers: Box<str>,
    admin: Arc<AdminClient<Context>>,
}

/// The topics and brokers of a cluster.
struct Found {
    brokers: usize,
    /// The number of partitions of each topic, by name.
    topics: BTreeMap<String, i32>,
}

impl Config {
    /// Creates the client. Sends no request.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`].
    pub fn build(self) -> Result<Topics, Error> {
        let decided = [("bootstrap.servers", self.bootstrap_servers.as_str()), ("client.id", &self.client_id)];
        let client = properties::client(&[], &self.properties, &decided)?;
        let admin = AdminClient::from_config_and_context(
            &client,
            Context { journal: Journal::new("admin"), revival: Revival::new(&client) },
        )
        .map_err(|error| Error::Client { reason: error.to_string().into() })?;
        Ok(Topics { bootstrap_servers: self.bootstrap_servers.into(), admin: Arc::new(admin) })
    }
}

impl Topics {
    /// Returns the topics of this list that do not exist, in its order; takes at most 15 s.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn missing(&self, names: &[Arc<str>]) -> Result<Vec<Arc<str>>, Error> {
        let found = self.found().await?;
        Ok(names.iter().filter(|name| !found.topics.contains_key(&***name)).cloned().collect())
    }

    /// Returns the number of partitions of a topic; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn partitions(&self, name: &str) -> Result<Option<i32>, Error> {
        Ok(self.found().await?.topics.get(name).copied())
    }

    /// Returns the permissions of this user on these topics and groups, and the assignors of the groups, as far as the
    /// brokers report them.
    pub async fn rights(
        &self,
        topics: BTreeSet<String>,
        groups: BTreeSet<String>,
    ) -> (BTreeMap<Arc<str>, Rights>, BTreeMap<Arc<str>, Group>) {
        let admin = Arc::clone(&self.admin);
        let asked = tokio::task::spawn_blocking(move || {
            let [topics, groups] = [&topics, &groups].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
            (rights::topics(admin.inner(), &topics, LIMIT), rights::groups(admin.inner(), &groups, LIMIT))
        });
        asked.await.unwrap_or_default()
    }

    /// Returns how long a topic keeps its records, by their timestamps; `None` if the retention is unlimited or
    /// unknown.
    pub async fn retention(&self, name: &str) -> Option<Duration> {
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let described = self.admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options).await.ok()?;
        let resource = described.into_iter().next()?.ok()?;
        let millis = resource.get("retention.ms")?.value.as_ref()?.parse().ok()?; // -1 means unlimited
        Some(Duration::from_millis(millis))
    }

    /// Creates the topics of this list that do not exist, and waits up to 10 s until a broker lists them. Replication and in-sync replicas are reduced to the number of
    /// brokers, with a warning. Other hosts may create the same topics at the same time.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Missing`] if topics are missing and must not be created; [`Error::Refused`].
    pub async fn ensure(&self, needed: &[Needed], creation: Creation) -> Result<Ensured, Error> {
        let found = self.found().await?;
        let missing: BTreeMap<&Arc<str>, &Tier> = needed
            .iter()
            .filter(|needed| !found.topics.contains_key(&*needed.name))
            .map(|needed| (&needed.name, &needed.tier))
            .collect();
        let names: Vec<Arc<str>> = missing.keys().copied().cloned().collect();
        if names.is_empty() {
            return Ok(Ensured::default());
        }
        if creation == Creation::Refused {
            return Err(Error::Missing { names });
        }
        let plans: Vec<(&str, Tier)> =
            missing.iter().map(|(name, tier)| (&***name, tier.within(found.brokers, name))).collect();
        let settings: Vec<_> = plans.iter().map(|(_, plan)| plan.settings()).collect();
        let topics: Vec<NewTopic<'_>> = plans
            .iter()
            .zip(&settings)
            .map(|((name, plan), settings)| {
                let topic = NewTopic::new(
                    name,
                    plan.partitions.cast_signed(),
                    TopicReplication::Fixed(i32::from(plan.replication)),
                );
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let made = self.create(&topics, creation == Creation::Asked).await?;
        if creation == Creation::Done {
            self.listed(&made).await?;
        }
        // Another host may have created the rest meanwhile; or they exist, but this user may not see them.
        let unseen: Vec<Arc<str>> = names.iter().filter(|name| !made.contains(*name)).cloned().collect();
        let unseen = if unseen.is_empty() { unseen } else { self.missing(&unseen).await? };
        Ok(Ensured { made, unseen })
    }

    /// Returns the number of records in these topics, from the low watermark to the end. A topic that does not exist
    /// has none.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn records(&self, topics: &[Arc<str>]) -> Result<u64, Error> {
        let (admin, topics) = (Arc::clone(&self.admin), topics.to_vec());
        let count = move || {
            let metadata = metadata(&admin)?;
            let mut records = 0;
            for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|name| **name == *topic.name())) {
                for partition in topic.partitions() {
                    let (low, high) = admin.inner().fetch_watermarks(topic.name(), partition.id(), LIMIT)?;
                    records += u64::try_from(high - low).unwrap_or(0);
                }
            }
            Ok(records)
        };
        match tokio::task::spawn_blocking(count).await {
            Ok(counted) => counted.map_err(|error: KafkaError| self.unreachable(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Removes topics, and a consumer group without members. One that does not exist is no error.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NotRemoved`].
    pub async fn remove(&self, topics: &[Arc<str>], group: &str) -> Result<(), Error> {
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let groups = self.admin.delete_groups(&[group], &options).await.map_err(|error| self.unreachable(&error))?;
        let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
        let topics = self.admin.delete_topics(&names, &options).await.map_err(|error| self.unreachable(&error))?;
        for result in topics.into_iter().chain(groups) {
            if let Err((name, code)) = result
                && !matches!(code, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::GroupIdNotFound)
            {
                return Err(Error::NotRemoved { name: name.into(), reason: code.to_string().into() });
            }
        }
        Ok(())
    }

    /// Returns the topics that were created; the others exist already.
    async fn create(&self, topics: &[NewTopic<'_>], only_ask: bool) -> Result<Vec<Arc<str>>, Error> {
        let mut made = Vec::new();
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let options = options.validate_only(only_ask);
        let results = self.admin.create_topics(topics, &options).await.map_err(|error| self.unreachable(&error))?;
        for result in results {
            match result {
                Ok(name) => {
                    if !only_ask {
                        tracing::info!(topic = name, "created topic");
                    }
                    made.push(name.into());
                }
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Error::Refused { name: name.into(), reason: code.to_string().into() });
                }
            }
        }
        Ok(made)
    }

    /// Waits until a broker lists these topics, so that a host that starts next finds them. It may never list them for a user
    /// who may not describe them, so the wait ends without an error.
    async fn listed(&self, names: &[Arc<str>]) -> Result<(), Error> {
        let until = Instant::now() + LISTED;
        while Instant::now() < until && !self.missing(names).await?.is_empty() {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    async fn found(&self) -> Result<Found, Error> {
        let admin = Arc::clone(&self.admin);
        // The call blocks. Request all topics: a request for one topic may make the broker create it.
        let asked = tokio::task::spawn_blocking(move || metadata(&admin)).await;
        let metadata = match asked {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => return Err(self.unreachable(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let topics = there.map(|topic| (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(0)));
        Ok(Found { brokers: metadata.brokers().len(), topics: topics.collect() })
    }

    fn unreachable(&self, error: &KafkaError) -> Error {
        let why = self.admin.inner().context().journal.why_unreachable();
        let reason = match why {
            Some(why) => format!("no answer within {} s; {why}", LIMIT.as_secs()),
            None => error.to_string(),
        };
        Error::Unreachable { bootstrap_servers: self.bootstrap_servers.clone(), reason: reason.into() }
    }
}

/// Returns the metadata of the cluster.
fn metadata(admin: &AdminClient<Context>) -> KafkaResult<Metadata> {
    let client = admin.inner();
    client.context().revival.look(client.native_ptr());
    let answer = client.fetch_metadata(None, LIMIT).inspect_err(|_| client.context().revival.lost());
    words::hear(client);
    answer
}

impl Tier {
    /// Returns the settings, reduced to what this number of brokers allows.
    fn within(&self, brokers: usize, topic: &str) -> Self {
        let brokers = u16::try_from(brokers).unwrap_or(u16::MAX).max(1);
        let replication = self.replication.min(brokers);
        let in_sync = self.min_insync_replicas.min(replication);
        if replication < self.replication {
            let wanted = self.replication;
            tracing::warn!(
                topic,
                brokers,
                wanted,
                replication,
                in_sync,
                "too few brokers for the configured replication factor: using a lower one"
            );
        }
        Self { replication, min_insync_replicas: in_sync, ..self.clone() }
    }

    fn settings(&self) -> [(&'static str, String); 3] {
        let timestamps = if self.keeps_by_append_time { "LogAppendTime" } else { "CreateTime" };
        [
            ("retention.ms", self.retention.as_millis().to_string()),
            ("min.insync.replicas", self.min_insync_replicas.to_string()),
            ("message.timestamp.type", timestamps.to_owned()),
        ]
    }
}

struct Context {
    journal: Journal,
    revival: Revival,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.journal.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.journal.error(&error, text);
        self.revival.heard(&error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_cluster_gets_as_many_replicas_as_it_has_brokers() {
        let standard = |brokers| {
            let plan = Tier::standard().within(brokers, "t");
            (plan.partitions, plan.replication, plan.min_insync_replicas)
        };
        assert_eq!(standard(1), (3, 1, 1));
        assert_eq!(standard(2), (3, 2, 2));
        assert_eq!(standard(9), (3, 3, 2));
        let error = Tier::error().within(9, "t");
        assert_eq!((error.partitions, error.replication, error.min_insync_replicas), (1, 3, 1));
    }
}
