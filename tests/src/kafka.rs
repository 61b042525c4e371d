//! Apache Kafka, and its use in tests.

mod broker;
mod private;
mod record;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub use private::{Private, private, private_in_turn};
pub use record::{Record, Stored};

use crate::servers::Lease;
use crate::{Need, unique, wait};

/// Time limit of one request to a broker that may be down.
const LOOK: Duration = Duration::from_secs(2);
/// Time limit of one request on a busy machine.
const REQUEST: Duration = Duration::from_secs(30);
/// The largest number of unacknowledged records.
const IN_FLIGHT: usize = 10_000;

/// A running broker.
pub struct Kafka {
    bootstrap: String,
    _lease: Option<Lease>,
}

/// A producer for one topic.
pub struct Writer {
    producer: FutureProducer,
    topic: String,
}

/// The committed offset of a group in a partition, with its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next record.
    pub offset: i64,
    /// The commit metadata.
    pub metadata: String,
}

/// Returns Apache Kafka 4.1.1, a single node that is shared with all other tests, or the cluster that `KAFKA_BOOTSTRAP`
/// names.
///
/// # Errors
/// [`Need::Missing`] if no broker is available, [`Need::Broken`] if it does not start.
pub fn kafka() -> Result<&'static Kafka, Need> {
    static KAFKA: OnceLock<Result<Kafka, Need>> = OnceLock::new();
    KAFKA.get_or_init(broker::find).as_ref().map_err(Need::clone)
}

impl Kafka {
    /// Returns `host:port`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Returns a second handle of the same broker, for callers that cannot borrow this one. It does not keep the broker
    /// running.
    pub fn another(&self) -> Kafka {
        Kafka { bootstrap: self.bootstrap.clone(), _lease: None }
    }

    /// Returns a client configuration with the bootstrap servers and nothing else.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Creates a topic with a unique name that begins with `stem`, and returns the name.
    pub async fn topic(&self, stem: &str, partitions: i32) -> String {
        let name = unique(stem);
        self.create_topic(&name, partitions).await;
        name
    }

    /// Creates a topic with exactly this name.
    ///
    /// # Panics
    /// The topic exists.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client can be made");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let results = admin.create_topics([&topic], &AdminOptions::new()).await.expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, error)| panic!("topic {topic}: {error}"));
        }
        wait::eventually(&format!("topic {name} has leaders"), REQUEST, async || {
            let metadata = admin.inner().fetch_metadata(Some(name), REQUEST).ok()?;
            let partitions_there = metadata.topics().first()?.partitions();
            let led = partitions_there.iter().filter(|partition| partition.leader() >= 0).count();
            (i32::try_from(led) == Ok(partitions)).then_some(())
        })
        .await;
    }

    /// Returns the names of all topics.
    ///
    /// # Panics
    /// The broker does not answer.
    pub async fn topics(&self) -> Vec<String> {
        let config = self.client();
        blocking(move || {
            let consumer: BaseConsumer = config.create().expect("a consumer can be made");
            let metadata = consumer.fetch_metadata(None, REQUEST).expect("the broker answers");
            metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
        })
        .await
    }

    /// Deletes a topic, and waits until the broker no longer lists it.
    ///
    /// # Panics
    /// The topic does not exist.
    pub async fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client can be made");
        let results = admin.delete_topics(&[name], &AdminOptions::new()).await.expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, error)| panic!("topic {topic}: {error}"));
        }
        wait::eventually(&format!("topic {name} is gone"), REQUEST, async || {
            let metadata = admin.inner().fetch_metadata(Some(name), REQUEST).ok()?;
            metadata.topics().first()?.partitions().is_empty().then_some(())
        })
        .await;
    }

    /// Sets a property of a topic, such as `max.message.bytes`.
    ///
    /// # Panics
    /// The broker refuses the property.
    pub async fn alter_topic(&self, name: &str, property: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client can be made");
        let altered = AlterConfig::new(ResourceSpecifier::Topic(name)).set(property, value);
        let results = admin.alter_configs([&altered], &AdminOptions::new()).await.expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(topic, error)| panic!("{topic:?}: {error}"));
        }
    }

    /// Appends the records in this order (per partition) and returns the partition and offset of each.
    ///
    /// # Panics
    /// A record is not acknowledged.
    pub async fn produce(&self, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
        self.writer(topic).write(records).await
    }

    /// Creates a producer for many appends: creating it takes longer than an append.
    pub fn writer(&self, topic: &str) -> Writer {
        self.writer_with(topic, &[])
    }

    /// As [`Kafka::writer`], with further librdkafka properties.
    pub fn writer_with(&self, topic: &str, properties: &[(&str, &str)]) -> Writer {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("linger.ms", "1");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        Writer { producer: config.create().expect("a producer can be made"), topic: topic.to_owned() }
    }

    /// Returns all records of the topic by partition and offset; with transactions, only committed ones.
    ///
    /// # Panics
    /// The end is not reached within a minute.
    pub async fn read_all(&self, topic: &str) -> Vec<Stored> {
        let mut config = self.client();
        config.set("group.id", unique("reader")).set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        config.set("fetch.wait.max.ms", "10");
        let topic = topic.to_owned();
        blocking(move || read_to_the_end(&config, &topic)).await
    }

    /// Returns the end offset of each partition.
    pub async fn ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        let (config, topic) = (self.client(), topic.to_owned());
        blocking(move || {
            let consumer: BaseConsumer = config.create().expect("a consumer can be made");
            // A partition that was just created may have no leader yet.
            let deadline = std::time::Instant::now() + REQUEST;
            let end = |partition| loop {
                match consumer.fetch_watermarks(&topic, partition, REQUEST) {
                    Ok((_, end)) => return end,
                    Err(_) if std::time::Instant::now() < deadline => std::thread::yield_now(),
                    Err(error) => panic!("the broker does not know {topic}/{partition}: {error}"),
                }
            };
            partitions(&consumer, &topic).into_iter().map(|partition| (partition, end(partition))).collect()
        })
        .await
    }

    /// As [`Kafka::ends`], for a topic that may not exist yet; the result is empty then.
    pub async fn try_ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        let (config, name) = (self.client(), topic.to_owned());
        let there = blocking(move || {
            let consumer: BaseConsumer = config.create().expect("a consumer can be made");
            // A request for this topic by name could make the broker create it.
            let metadata = consumer.fetch_metadata(None, REQUEST);
            metadata.is_ok_and(|metadata| metadata.topics().iter().any(|topic| topic.name() == name))
        })
        .await;
        if there { self.ends(topic).await } else { BTreeMap::new() }
    }

    /// Returns how many records the group has committed, if the broker can answer now.
    pub async fn try_committed(&self, group: &str, topic: &str) -> Option<i64> {
        let mut config = self.client();
        config.set("group.id", group);
        let topic = topic.to_owned();
        blocking(move || {
            let consumer: BaseConsumer = config.create().expect("a consumer can be made");
            let metadata = consumer.fetch_metadata(Some(&topic), LOOK).ok()?;
            let mut asked = TopicPartitionList::new();
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                asked.add_partition(&topic, partition.id());
            }
            let answer = consumer.committed_offsets(asked, LOOK).ok()?;
            let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
            Some(answer.elements().iter().map(|element| offset(element.offset())).sum())
        })
        .await
    }

    /// Moves the committed offset of a partition by a transaction of a non-member. The broker does not check the owner
    /// of the partition, and accepts it while the group is active.
    ///
    /// # Panics
    /// The broker refuses the commit.
    pub async fn commit_in_transaction(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let (mut reader, mut writer) = (self.client(), self.client());
        reader.set("group.id", group);
        writer.set("transactional.id", unique("mover"));
        let topic = topic.to_owned();
        blocking(move || {
            let consumer: BaseConsumer = reader.create().expect("a consumer can be made");
            let producer: FutureProducer = writer.create().expect("a producer can be made");
            let member = consumer.group_metadata().expect("a consumer with a group has a membership");
            let mut offsets = TopicPartitionList::new();
            offsets.add_partition_offset(&topic, partition, Offset::Offset(offset)).expect("an offset");
            producer.init_transactions(REQUEST).expect("the broker has transactions");
            producer.begin_transaction().expect("a transaction begins");
            producer.send_offsets_to_transaction(&offsets, &member, REQUEST).expect("the broker takes the offsets");
            producer.commit_transaction(REQUEST).expect("the transaction is committed");
        })
        .await;
    }

    /// Returns what the group has committed, for each partition with a commit.
    pub async fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, Committed> {
        let mut config = self.client();
        config.set("group.id", group);
        let topic = topic.to_owned();
        blocking(move || {
            let consumer: BaseConsumer = config.create().expect("a consumer can be made");
            let mut asked = TopicPartitionList::new();
            for partition in partitions(&consumer, &topic) {
                asked.add_partition(&topic, partition);
            }
            // A broker that has just started may not know the coordinator of the group yet.
            let deadline = std::time::Instant::now() + REQUEST;
            let known = |answer: &TopicPartitionList| answer.elements().iter().all(|element| element.error().is_ok());
            let answer = loop {
                match consumer.committed_offsets(asked.clone(), REQUEST) {
                    Ok(answer) if known(&answer) => break answer,
                    _ if std::time::Instant::now() < deadline => std::thread::yield_now(),
                    answer => panic!("the broker does not know the group's offsets: {answer:?}"),
                }
            };
            let committed = answer.elements().into_iter().filter_map(|element| match element.offset() {
                Offset::Offset(offset) => {
                    Some((element.partition(), Committed { offset, metadata: element.metadata().to_owned() }))
                }
                _ => None,
            });
            committed.collect()
        })
        .await
    }

    /// Commits an offset with metadata for a group without members.
    ///
    /// # Panics
    /// The broker does not accept it within half a minute.
    pub async fn commit(&self, group: &str, topic: &str, partition: i32, committed: &Committed) {
        let mut config = self.client();
        config.set("group.id", group);
        wait::eventually("the group has no members and can be moved", REQUEST, async || {
            let (config, topic, committed) = (config.clone(), topic.to_owned(), committed.clone());
            let commit = move || {
                let consumer: BaseConsumer = config.create().expect("a consumer can be made");
                let mut list = TopicPartitionList::new();
                {
                    let mut element = list.add_partition(&topic, partition);
                    element.set_offset(Offset::Offset(committed.offset)).expect("it is an offset");
                    element.set_metadata(&committed.metadata);
                }
                consumer.commit(&list, CommitMode::Sync).ok()
            };
            blocking(commit).await
        })
        .await;
    }
}

impl Writer {
    /// Returns the state of the client, to explain why it does not write.
    pub fn state(&self) -> String {
        let client = self.producer.client();
        let broker = client.fetch_metadata(Some(&self.topic), LOOK).map(|metadata| metadata.brokers().len());
        format!(
            "{} in flight, fatal error {:?}, brokers {broker:?}",
            self.producer.in_flight_count(),
            client.fatal_error()
        )
    }

    /// Appends the records in this order (per partition) and returns the partition and offset of each.
    ///
    /// # Panics
    /// A record is not acknowledged.
    pub async fn write(&self, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
        let topic = self.topic.as_str();
        let records: Vec<Record> = records.into_iter().collect();
        let mut positions = Vec::with_capacity(records.len());
        for some in records.chunks(IN_FLIGHT) {
            let send = |record: &Record| self.producer.send_result(record.to(topic)).map_err(|(error, _)| error);
            let sent: Vec<_> = some.iter().map(send).collect();
            for sent in sent {
                let sent = sent.unwrap_or_else(|error| panic!("topic {topic}: {error}"));
                let delivery = sent.await.expect("the producer lives until all is acknowledged");
                let delivery = delivery.unwrap_or_else(|(error, _)| panic!("topic {topic}: {error}"));
                positions.push((delivery.partition, delivery.offset));
            }
        }
        positions
    }
}

fn read_to_the_end(config: &ClientConfig, topic: &str) -> Vec<Stored> {
    let deadline = Instant::now() + 2 * REQUEST;
    let consumer: BaseConsumer = config.create().expect("a consumer can be made");
    let mut open = partitions(&consumer, topic);
    let mut from_the_start = TopicPartitionList::new();
    for partition in &open {
        from_the_start.add_partition_offset(topic, *partition, Offset::Beginning).expect("the beginning is an offset");
    }
    consumer.assign(&from_the_start).expect("partitions that exist can be assigned");
    let mut read = Vec::new();
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "topic {topic}: no end of partitions {open:?} after {} records", read.len());
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(record)) => read.push(Stored::from(&record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|it| *it != partition),
            Some(Err(error)) => panic!("topic {topic}: {error}"),
        }
    }
    read.sort_by_key(|record| (record.partition, record.offset));
    read
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST).expect("the broker answers");
    let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
    assert!(!partitions.is_empty(), "there is no topic {topic}");
    partitions
}

/// Runs a blocking call of librdkafka outside the event loop of the test.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// Returns whether a cluster answers at this address.
fn answers(bootstrap: &str) -> bool {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("log_level", "0");
    let producer: FutureProducer = config.create().expect("a producer can be made");
    let metadata = producer.client().fetch_metadata(None, Duration::from_secs(2));
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}
