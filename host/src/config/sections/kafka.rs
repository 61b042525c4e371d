//! `[kafka]`: the cluster, and further properties of librdkafka that the host does not set itself.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::super::read::Table;
use crate::broker::kafka::properties::{fit, owned};
pub use crate::broker::kafka::settings::Settings as Kafka;
use crate::private::Private;

/// The remedy for a property that the host sets itself.
fn instead(owned: &str) -> &'static str {
    match owned {
        "bootstrap.servers" => "write bootstrap_servers in [kafka]",
        "client.id" => "leave it out: the host builds it from the service name, the machine and a random part",
        "group.id" => "write group beside kafka in the from of the route",
        "enable.auto.commit" | "enable.auto.offset.store" => {
            "leave it out: the host commits an offset when its message is settled"
        }
        "auto.offset.reset" => "leave it out: a new group begins with the earliest record",
        "partition.assignment.strategy" => "leave it out: its value is always cooperative-sticky",
        "isolation.level" => "leave it out: the host never reads records of open or aborted transactions",
        "acks" => "leave it out: its value is always all",
        "enable.idempotence" => "leave it out: its value is always true",
        "transactional.id" => "leave it out: the host sets it for routes with delivery = \"exactly_once\"",
        _ => "leave it out",
    }
}

pub(in super::super) fn kafka(file: &Table<'_>) -> Option<Kafka> {
    file.get("kafka")?.table("[kafka]", |table| {
        let servers = table.require("bootstrap_servers", "write for example bootstrap_servers = \"127.0.0.1:9092\"");
        let servers = servers.and_then(|value| {
            let servers = value.full_text("127.0.0.1:9092")?;
            if let Some(server) = without_valid_port(&servers) {
                let remedy =
                    "expected host:port with a port from 1 to 65535, for example \"kafka-1:9092,kafka-2:9092\"";
                value.problem(format!("invalid port in {server:?}"), remedy);
            }
            Some(servers)
        });
        let properties = table.get("properties").map(|properties| {
            let own = properties.table("{ \"fetch.max.bytes\" = \"52428800\" }", own_properties).unwrap_or_default();
            for conflict in fit::conflicts(&own, false) {
                properties.problem(&conflict, conflict.remedy());
            }
            own
        });
        Kafka { bootstrap_servers: servers.unwrap_or_default(), properties: Private(properties.unwrap_or_default()) }
    })
}

/// The first address with an invalid port. librdkafka connects to such a port modulo 65,536.
fn without_valid_port(servers: &str) -> Option<&str> {
    let is_wrong = |server: &&str| {
        let address = server.rsplit("://").next().unwrap_or(server);
        address.rsplit_once(':').is_some_and(|(host, port)| {
            // An IPv6 address without brackets has no port.
            let has_port = !host.contains(':') || host.ends_with(']');
            has_port && port.parse::<NonZeroU16>().is_err()
        })
    };
    servers.split(',').map(str::trim).find(is_wrong)
}

fn own_properties(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (name, value) in table.entries() {
        match owned(name) {
            Some(owned) => value.refuse("the host sets this property", instead(owned)),
            None => {
                let Some(text) = value.scalar() else { continue };
                properties.insert(name.to_owned(), text);
            }
        }
    }
    properties
}
