//! The mock cluster of librdkafka, on which `dev` runs. It answers no request about the ids or the configuration of topics:
//! whoever asks waits until the request times out.

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};

/// How the ids of mock clusters begin (`rd_kafka_mock_cluster_new` in librdkafka's `rdkafka_mock.c`).
const ID: &str = "mockCluster";

/// Whether this client talks to a mock cluster, as far as it has heard by now; asks no broker.
pub(crate) fn is_mock<C: ClientContext>(client: &Client<C>) -> bool {
    client.fetch_cluster_id(Duration::ZERO).is_some_and(|id| id.starts_with(ID))
}
