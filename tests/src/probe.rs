//! A route through the guest `probe`, with an input topic, an output topic, dead letters and error events.

use std::time::Duration;

use cofferdam_core::message::{Message, Position, Record as Received};
use serde_json::Value;

use crate::host::Prepared;
use crate::{Host, Kafka, Record, eventually, guest, run, unique};

/// A route through the probe.
#[derive(Debug)]
pub struct Probe {
    /// The topic that the route reads.
    pub input: String,
    /// The destination of its output `out`.
    pub output: String,
    /// The destination of its dead letters.
    pub dead_letters: String,
    /// The destination of its error events.
    pub errors: String,
    /// The consumer group of its route.
    pub group: String,
    /// The guest that handles the messages; `probe` by default.
    pub guest: &'static str,
    /// Further keys of the table `[service]`.
    pub service: &'static str,
}

impl Probe {
    /// Creates the topics; the input has this number of partitions.
    pub async fn new(kafka: &Kafka, partitions: i32) -> Self {
        let input = kafka.topic("probe-in", partitions).await;
        let dead_letters = format!("{input}.dlq");
        kafka.create_topic(&dead_letters, 1).await;
        let (output, errors) = (kafka.topic("probe-out", 1).await, kafka.topic("probe-errors", 1).await);
        Self { input, output, dead_letters, errors, group: unique("probe"), guest: "probe", service: "" }
    }

    /// Starts a host with this route; `more` has further lines of the table of the route.
    pub fn start(&self, kafka: &Kafka, more: &str) -> Host {
        self.host(kafka.bootstrap(), "", more).start()
    }

    /// Prepares a host with this route on these brokers; `properties` are librdkafka properties, as in a TOML table.
    pub fn host(&self, brokers: &str, properties: &str, more: &str) -> Prepared {
        self.enveloped(brokers, properties, "\"raw\"", more)
    }

    /// As [`Probe::host`], for CloudEvents.
    pub fn events(&self, brokers: &str, properties: &str, more: &str) -> Prepared {
        self.enveloped(brokers, properties, "\"cloudevents\"", more)
    }

    /// As [`Probe::host`], with this envelope, as in TOML.
    pub fn enveloped(&self, brokers: &str, properties: &str, envelope: &str, more: &str) -> Prepared {
        let Self { input, output, errors, group, service, .. } = self;
        let comma = if service.is_empty() { "" } else { "," };
        let path = guest(self.guest);
        let path = path.display();
        run(&format!(
            r#"
            service = {{ name = "probe"{comma} {service} }}
            kafka = {{ bootstrap_servers = "{brokers}", properties = {{ {properties} }} }}
            admin = {{ listen = "" }}
            [plugins.probe]
            path = "{path}"
            limits = {{ wall_time = "10s", cpu_time = "500ms" }}
            [[routes]]
            name = "probe"
            from = {{ kafka = ["{input}"], group = "{group}" }}
            handler = "probe"
            envelope = {envelope}
            errors = {{ kafka = "{errors}" }}
            outputs = {{ out = {{ kafka = "{output}" }} }}
            {more}
            "#
        ))
    }

    /// Returns a message that makes the probe do something.
    pub fn ask(key: &str, what: &str, number: usize) -> Record {
        Record::new(format!(r#"{{"do":"{what}","times":2,"number":{number}}}"#)).key(key)
    }

    /// Returns the key and number of each output, as soon as there are `count`.
    pub async fn outputs(&self, kafka: &Kafka, count: usize, within: Duration) -> Vec<(String, u64)> {
        let stored = eventually("the outputs are there", within, async || {
            let stored = kafka.read_all(&self.output).await;
            (stored.len() >= count).then_some(stored)
        })
        .await;
        let number = |json: Value| json["number"].as_u64().expect("a number");
        stored.iter().map(|record| (record.key_text().to_owned(), number(record.json()))).collect()
    }
}

/// Returns the message that a host passes to the probe for this payload, for tests without a broker.
pub fn message(payload: &str) -> Message {
    let record = Received {
        source: "orders".into(),
        position: Position::Offset { partition: 0, offset: 0 },
        key: None,
        headers: Default::default(),
        payload: Some(payload.to_owned().into()),
        timestamp_ms: None,
    };
    std::sync::Arc::new(record).into()
}
