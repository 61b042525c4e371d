//! The common part of the clients of a run.

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

use crate::broker::kafka::properties;
use crate::broker::kafka::settings::Settings;
use crate::exit::{Exit, Problem};

/// Returns a client configuration with the user's properties, overridden by `decided`.
pub(super) fn client(settings: &Settings, decided: &[(&str, &str)]) -> Result<ClientConfig, Problem> {
    let bootstrap = [("bootstrap.servers", &*settings.bootstrap_servers)];
    let decided: Vec<_> = bootstrap.iter().chain(decided).copied().collect();
    let client = properties::client(&[("client.id", "cofferdam-verify")], &settings.properties.0, &decided);
    client.map_err(|error| Problem::new(Exit::Configuration, error.to_string(), "").at("kafka.properties"))
}

/// Returns the id of a record, as hosts write it.
pub(super) fn record(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}/{partition}/{offset}")
}

pub(super) fn unavailable(error: &KafkaError) -> Problem {
    Problem::new(Exit::Unavailable, format!("kafka: {error}"), "")
}
