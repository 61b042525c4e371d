//! Brokers inside the process.

use cofferdam_core::route::Guarantee;

use super::input::Input;
use crate::broker::kafka::embedded::Kafka;
use crate::broker::sqs::embedded::{QueueSpec, Sqs};
use crate::config::{Config, Kind, Store};
use crate::dedupe;
use crate::exit::{Exit, Problem};

/// Starts them, and points the configuration at them.
pub(super) async fn start(config: &mut Config, input: &Input) -> Result<(Kafka, Sqs), Problem> {
    if let Some(route) = config.routes.iter().find(|route| route.delivery() == Guarantee::ExactlyOnce) {
        let what = "embedded brokers do not support transactions, which exactly_once needs";
        let remedy = "use `cofferdam run` with Apache Kafka, or set delivery = \"at_least_once\" for dev";
        return Err(Problem::new(Exit::Configuration, what, remedy).at(route.name()));
    }
    let broken = |error: &dyn std::error::Error| Problem::new(Exit::Unavailable, error.to_string(), "");
    let mut topics: Vec<(String, i32)> = Vec::new();
    for (name, kind) in config.kafka_topics().into_iter().chain(input.topics()) {
        if topics.iter().all(|(known, _)| *known != name) {
            topics.push((name, if kind == Kind::Standard { 3 } else { 1 }));
        }
    }
    let kafka = Kafka::start(&topics).map_err(|error| broken(&error))?;
    let mut queues: Vec<QueueSpec> = config.sqs_queues().into_iter().map(QueueSpec::new).collect();
    // Where a route without a dead-letter queue of its own sends its dead letters.
    for suffix in ["-dlq", "-dlq.fifo"] {
        let name = format!("{}{suffix}", config.service.name.replace('.', "-"));
        if queues.iter().all(|queue| queue.name != name) {
            queues.push(QueueSpec::new(name));
        }
    }
    let sqs = Sqs::start(&queues).await.map_err(|error| broken(&error))?;
    eprintln!(
        "embedded brokers, in memory only: Kafka {} (mock cluster of librdkafka: 5 MiB per partition, no \
         transactions), SQS {} (rustack); test delivery guarantees with `run` and real brokers",
        kafka.bootstrap(),
        sqs.endpoint(),
    );
    if let Some(section) = &mut config.kafka {
        section.bootstrap_servers = kafka.bootstrap().to_owned();
        for (name, value) in Kafka::CLIENT_PROPERTIES {
            section.properties.0.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(section) = &mut config.sqs {
        section.endpoint = Some(sqs.endpoint().to_owned());
        section.region = Some(Sqs::REGION.to_owned());
    }
    // The mock cluster has no administration; its topics are there already.
    config.topics.create = false;
    config.keyvalue.store = Store::Memory;
    config.dedupe.place = dedupe::Place::Memory { capacity: dedupe::CAPACITY };
    Ok((kafka, sqs))
}
