//! A Kafka broker inside the process, for `cofferdam dev` and for quick tests of one module: the mock cluster of librdkafka, owned by a
//! client that does nothing else.
//!
//! It is a stand-in: what holds on it holds on nothing else.
//!
//! * memory only, on a port that the system chose, gone with the value; no TLS, SASL, ACLs or admin interface;
//! * 5 MiB or 100,000 batches per partition, the oldest evicted even if nobody has read them: a reader that falls
//!   behind skips without a word, so watch the low watermark;
//! * transactions are accepted and mean nothing (aborted records stay visible, offsets sent to one are thrown away):
//!   refuse `exactly_once`;
//! * new records do not wake a waiting fetch and rebalances last about a session timeout: see
//!   [`Kafka::CLIENT_PROPERTIES`]; commits fail more often while a group rebalances, so messages come again;
//! * never call `AdminClient::delete_groups` on it: dropping that client aborts the process;
//! * offsets for a point in time are always the end.

use rdkafka::ClientConfig;
use rdkafka::bindings::{rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;

/// Why the broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka refused to make its mock cluster.
    #[error("failed to start the embedded kafka cluster: {0}")]
    Cluster(#[source] KafkaError),
    /// A topic name or a number of partitions that the mock cluster does not take.
    #[error("embedded kafka cluster: failed to create topic {topic:?} with {partitions} partitions: {reason}")]
    Topic {
        /// The name asked for.
        topic: String,
        /// The number of partitions asked for.
        partitions: i32,
        /// What is wrong with them.
        reason: String,
    },
}

/// A Kafka broker inside the process; it stops when this is dropped.
pub struct Kafka {
    bootstrap: String,
    /// The mock cluster lives as long as the client that was asked to bring it along.
    _owner: BaseProducer,
}

impl Kafka {
    /// What a consumer has to set to be quick on this broker: it does not wake a fetch when a record arrives but lets
    /// it wait its time out, and it ends a rebalance only about a session timeout after it began.
    pub const CLIENT_PROPERTIES: [(&str, &str); 3] =
        [("fetch.wait.max.ms", "10"), ("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "300")];

    /// Starts the broker with these topics, each with its number of partitions (at least 1). Topics that are not named
    /// come into being when they are first used, with four partitions.
    ///
    /// # Errors
    /// [`Error::Cluster`] where librdkafka cannot start it, [`Error::Topic`] where it refuses a topic.
    pub fn start(topics: &[(String, i32)]) -> Result<Kafka, Error> {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            // The threads of this client have nothing to say that a user should act on.
            .set("log_level", "3")
            .create()
            .map_err(Error::Cluster)?;
        let cluster = owner
            .client()
            .mock_cluster()
            .ok_or(Error::Cluster(KafkaError::MockCluster(RDKafkaErrorCode::NotImplemented)))?;
        for (topic, partitions) in topics {
            let refused = |reason: String| Error::Topic { topic: topic.clone(), partitions: *partitions, reason };
            // librdkafka would take zero and never have a leader for it.
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

    /// `host:port`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

/// A group's first member would wait three seconds for others to join.
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
        // A poll also ends, without a record, when the group has assigned its partitions.
        let record = std::iter::from_fn(|| Some(consumer.poll(Duration::from_millis(100))))
            .take_while(|_| started.elapsed() < Duration::from_secs(10))
            .flatten()
            .next()
            .expect("a record within ten seconds")
            .unwrap();
        assert_eq!((record.key(), record.payload()), (Some(&b"k"[..]), Some(&b"v"[..])));
        // With the delay left on, the first join alone takes three seconds.
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
