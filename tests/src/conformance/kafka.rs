//! Kafka in the conformance suite: a topic with two partitions, and a consumer group.

use std::collections::BTreeMap;

use cofferdam::broker::kafka;
use cofferdam::sink::Sink;
use cofferdam::source::Source;
use cofferdam_core::output::Destination;
use cofferdam_core::source::SourceTraits;
use tokio::sync::OwnedMutexGuard;

use super::{Bench, Item, Reach, WAIT};
use crate::kafka::{Kafka, Private, Record, private_in_turn};
use crate::{Need, unique};

/// A topic.
pub struct Topic {
    broker: Kafka,
    bootstrap: String,
    topic: String,
    group: String,
    /// A private broker for tests with outages; the tests take turns.
    private: Option<OwnedMutexGuard<Private>>,
}

impl Bench for Topic {
    async fn open(reach: Reach) -> Result<Self, Need> {
        let (broker, bootstrap, private) = match reach {
            Reach::Direct => {
                let shared = crate::kafka::kafka()?;
                (shared.another(), shared.bootstrap().to_owned(), None)
            }
            Reach::Severable => {
                let private = private_in_turn().await?.lock_owned().await;
                (private.another(), private.through(), Some(private))
            }
        };
        let topic = broker.topic("conformance", 2).await;
        Ok(Self { broker, bootstrap, topic, group: unique("group"), private })
    }

    fn traits(&self) -> SourceTraits {
        SourceTraits::log()
    }

    fn place(&self) -> Destination {
        kafka::topic(self.topic.as_str())
    }

    async fn write(&self, items: &[Item]) {
        let record = |item: &Item| Record::new(item.value.as_str()).key(item.key.as_str());
        self.broker.produce(&self.topic, items.iter().map(record)).await;
    }

    async fn source(&self, _: &SourceTraits) -> Box<dyn Source> {
        // With frequent heartbeats, members learn of a rebalance sooner.
        let properties = properties(&[("heartbeat.interval.ms", "200")]);
        let config = kafka::source::Config {
            bootstrap_servers: self.bootstrap.clone(),
            client_id: unique("test"),
            route: "r".to_owned(),
            group: self.group.clone(),
            topics: vec![self.topic.clone()],
            properties,
            revoke_timeout: WAIT,
        };
        Box::new(config.build().expect("a consumer can be made"))
    }

    async fn sink(&self) -> Box<dyn Sink> {
        let config = kafka::sink::Config {
            bootstrap_servers: self.bootstrap.clone(),
            client_id: unique("test"),
            properties: properties(&[("compression.type", "none")]),
        };
        Box::new(config.build().expect("a producer can be made"))
    }

    async fn stored(&self) -> Vec<Item> {
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap_or_default()).expect("it is text");
        let stored = self.broker.read_all(&self.topic).await;
        stored.into_iter().map(|stored| Item { key: text(stored.key), value: text(stored.value) }).collect()
    }

    fn too_large(&self) -> usize {
        2_000_000
    }

    fn leave(&self) {
        self.private.as_ref().expect("this one can be severed").gate().shut();
    }

    fn come_back(&self) {
        self.private.as_ref().expect("this one can be severed").gate().open();
    }
}

impl Drop for Topic {
    /// Opens the gate for the next test in turn, even if this test failed.
    fn drop(&mut self) {
        if let Some(private) = &self.private {
            private.gate().open();
        }
    }
}

/// Returns properties with which clients reconnect soon after an outage.
fn properties(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let common = [("reconnect.backoff.ms", "50"), ("reconnect.backoff.max.ms", "200")];
    common.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
