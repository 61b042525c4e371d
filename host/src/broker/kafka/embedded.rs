//! A Kafka broker inside the process, for `cofferdam dev` and for quick tests of one module: the mock cluster of
//! librdkafka. A client that does nothing else owns it.
//!
//! It is only a stand-in: a result on it does not carry over to Kafka. It differs in these points:
//!
//! * It stores messages in memory, listens on a port chosen by the system, and ends with the value. It has no TLS,
//!   SASL, ACLs or admin interface.
//! * It keeps 5 MiB or 100,000 batches per partition and evicts the oldest, even if nobody has read them. A slow
//!   consumer skips records without an error, so watch the low watermark.
//! * It accepts transactions but ignores them: aborted records stay visible, and offsets in a transaction are dropped.
//!   Refuse `exactly_once` on it.
//! * New records do not wake a waiting fetch, and a rebalance takes about a session timeout: see
//!   [`Kafka::CLIENT_PROPERTIES`]. Commits fail more often during a rebalance, so messages are delivered again.
//! * Never call `AdminClient::delete_groups` on it: dropping that client aborts the process.
//! * The offset for a timestamp is always the end offset.

use cofferdam_core::output::Destination;
use rdkafka::ClientConfig;
use rdkafka::bindings::{rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;

use super::settings::{Settings, TopicSettings};
use crate::broker::Embedded;
use crate::exit::{Exit, Problem};
use crate::plan::{Kind, RouteConfig};

/// Starts a cluster with all topics of the routes and those in `fed`, and sets the bootstrap servers in the settings to
/// it.
///
/// # Errors
/// The cluster could not be started, or it refused a topic.
pub fn stand_in(
    routes: &[RouteConfig],
    fed: &[Destination],
    settings: Option<&mut Settings>,
    missing: &mut TopicSettings,
) -> Result<Embedded, Problem> {
    let mut topics = super::topics_of(routes);
    for topic in fed.iter().filter(|destination| destination.broker == super::NAME) {
        topics.entry(topic.name.to_string()).or_insert(Kind::Standard);
    }
    let partitions = |kind| if kind == Kind::Standard { 3 } else { 1 };
    let topics: Vec<_> = topics.into_iter().map(|(name, kind)| (name, partitions(kind))).collect();
    let kafka = Kafka::start(&topics).map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
    if let Some(settings) = settings {
        kafka.bootstrap().clone_into(&mut settings.bootstrap_servers);
        for (name, value) in Kafka::CLIENT_PROPERTIES {
            settings.properties.0.insert(name.to_owned(), value.to_owned());
        }
    }
    // The mock cluster has no admin interface, and the topics already exist.
    missing.create = false;
    let shown =
        format!("Kafka {} (mock cluster of librdkafka: 5 MiB per partition, no transactions)", kafka.bootstrap());
    Ok(Embedded::new(shown, kafka))
}

/// The reason why the broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka failed to create its mock cluster.
    #[error("failed to start the embedded kafka cluster: {0}")]
    Cluster(#[source] KafkaError),
    /// The mock cluster refused the name or the number of partitions of a topic.
    #[error("embedded kafka cluster: failed to create topic {topic:?} with {partitions} partitions: {reason}")]
    Topic {
        /// The name of the topic.
        topic: String,
        /// The requested number of partitions.
        partitions: i32,
        /// The cause.
        reason: String,
    },
}

/// A Kafka broker inside the process; it stops when this is dropped.
pub struct Kafka {
    bootstrap: String,
    /// The client that owns the mock cluster; the cluster lives as long as the client.
    _owner: BaseProducer,
}

impl Kafka {
    /// Properties that make a consumer fast on this broker: it does not end a waiting fetch when a record arrives, and
    /// it ends a rebalance only about a session timeout after its start.
    pub const CLIENT_PROPERTIES: [(&str, &str); 3] =
        [("fetch.wait.max.ms", "10"), ("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "300")];

    /// Starts the broker with these topics, each with its number of partitions (at least 1). Other topics are created
    /// at their first use, with four partitions.
    ///
    /// # Errors
    /// [`Error::Cluster`] if librdkafka cannot start the cluster, [`Error::Topic`] if it refuses a topic.
    pub fn start(topics: &[(String, i32)]) -> Result<Kafka, Error> {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            // The log lines of this client are not useful for users.
            .set("log_level", "3")
            .create()
            .map_err(Error::Cluster)?;
        let cluster = owner
            .client()
            .mock_cluster()
            .ok_or(Error::Cluster(KafkaError::MockCluster(RDKafkaErrorCode::NotImplemented)))?;
        for (topic, partitions) in topics {
            let refused = |reason: String| Error::Topic { topic: topic.clone(), partitions: *partitions, reason };
            // librdkafka accepts zero, but such a topic never gets a leader.
            if *partitions < 1 {
                return Err(refused("expected at least one partition".to_owned()));
            }
            cluster.create_topic(topic, *partitions, 1).map_err(|error| refused(error.to_string()))?;
        }
        let bootstrap = cluster.bootstrap_servers();
        drop(cluster);
        join_groups_at_once(&owner);
        Ok(Kafka { bootstrap, _owner: owner })
    }

    /// Returns `host:port`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

/// Disables the delay of three seconds for which the first member of a group waits for others to join.
fn join_groups_at_once(owner: &BaseProducer) {
    // SAFETY: the client is alive for the whole call and owns a mock cluster (`mock_cluster` has just returned it), so
    // the handle is valid; the setter takes the cluster's own lock and keeps no pointer.
    unsafe {
        let cluster = rd_kafka_handle_mock_cluster(owner.client().native_ptr());
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rdkafka::Message;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::producer::BaseRecord;

    use super::*;

    fn consumer(kafka: &Kafka) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap()).set("group.id", "g").set("auto.offset.reset", "earliest");
        for (name, value) in Kafka::CLIENT_PROPERTIES {
            config.set(name, value);
        }
        config.create().unwrap()
    }

    #[test]
    fn a_record_goes_in_and_comes_out_with_its_key_in_a_group_that_joins_at_once() {
        let kafka = Kafka::start(&[("orders".to_owned(), 3)]).unwrap();
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
        producer.send(BaseRecord::to("orders").key("k").payload("v")).unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();

        let consumer = consumer(&kafka);
        let metadata = consumer.fetch_metadata(Some("orders"), Duration::from_secs(10)).unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), 3);

        let started = Instant::now();
        consumer.subscribe(&["orders"]).unwrap();
        // A poll also returns without a record when the group has assigned its partitions.
        let record = std::iter::from_fn(|| Some(consumer.poll(Duration::from_millis(100))))
            .take_while(|_| started.elapsed() < Duration::from_secs(10))
            .flatten()
            .next()
            .expect("a record within ten seconds")
            .unwrap();
        assert_eq!((record.key(), record.payload()), (Some(&b"k"[..]), Some(&b"v"[..])));
        // With the delay, the first join alone takes three seconds.
        assert!(started.elapsed() < Duration::from_millis(2500), "joined after {:?}", started.elapsed());
    }

    #[test]
    fn a_topic_without_partitions_is_refused_by_name() {
        let refused = Kafka::start(&[("orders".to_owned(), 0)]).err().expect("zero partitions are refused");
        assert!(refused.to_string().contains("\"orders\" with 0 partitions"), "{refused}");
    }

    #[test]
    fn nothing_listens_any_more_when_it_is_dropped() {
        let kafka = Kafka::start(&[]).unwrap();
        let address = kafka.bootstrap().to_owned();
        std::net::TcpStream::connect(&address).expect("it listens while it lives");
        drop(kafka);
        std::net::TcpStream::connect(&address).expect_err("it stopped");
    }
}
