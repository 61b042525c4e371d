//! Recognises the mock cluster of librdkafka, on which `dev` runs. It answers no request about the ids or the
//! configuration of topics; such a request waits until its timeout.

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};

/// The prefix of the cluster id of mock clusters (`rd_kafka_mock_cluster_new` in `rdkafka_mock.c` of librdkafka).
const ID: &str = "mockCluster";

/// Returns whether this client is connected to a mock cluster, as far as the client knows by now. Sends no request.
pub(crate) fn is_mock<C: ClientContext>(client: &Client<C>) -> bool {
    client.fetch_cluster_id(Duration::ZERO).is_some_and(|id| id.starts_with(ID))
}
