//! Kafka for `cofferdam verify`: configuration of the hosts, server addresses, and topics of a run.

mod addresses;
mod client;
mod exchange;
mod reader;
mod stage;
mod writer;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use toml::{Table, Value};

use super::properties::fit;
use super::settings::Settings;
use crate::broker::Kind;
use crate::broker::verify::{Address, Names, Part, Side, Silences, Stage, Subject};
use crate::exit::Problem;

/// What a run needs from Kafka before a configuration exists.
pub(super) const SIDE: Side = Side {
    title: "Kafka",
    address: Address {
        key: "bootstrap_servers",
        value: "BOOTSTRAP",
        help: "Use these Kafka brokers (`host:port`) instead of those in the configuration",
    },
    transactions: true,
    section: with_properties,
    route,
    exchange: || Box::new(exchange::Kafka::default()),
};

/// Short timeouts, so that the group soon notices killed hosts. User values take precedence.
const PROPERTIES: [(&str, &str); 3] =
    [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500"), ("reconnect.backoff.max.ms", "1000")];

/// A short poll interval, so that a fault can outlast it. It must exceed the user's session timeout, and
/// `revoke_timeout` by 5 s.
const POLL_INTERVAL: (&str, &str) = ("max.poll.interval.ms", "10000");

/// The port of a broker whose address contains none.
const PORT: u16 = 9092;

fn with_properties(section: &Value) -> Value {
    let mut section = section.clone();
    if let Some(table) = section.as_table_mut() {
        let properties = table.entry("properties").or_insert_with(|| Value::Table(Table::new()));
        if let Some(properties) = properties.as_table_mut() {
            let follows = !properties.contains_key("session.timeout.ms");
            for (name, value) in PROPERTIES.into_iter().chain(follows.then_some(POLL_INTERVAL)) {
                properties.entry(name).or_insert_with(|| value.into());
            }
        }
    }
    section
}

fn route(names: &Names, delivery: &str) -> String {
    let [input, out, dead, errors] = Part::ALL.map(|part| names.name(part));
    let group = &names.stem;
    format!(
        "from = {{ kafka = [{input:?}], group = {group:?} }}
        dead_letter = {{ kafka = {dead:?} }}
        errors = {{ kafka = {errors:?} }}
        outputs = {{ out = {{ kafka = {out:?} }} }}
        commit_interval = \"500ms\"
        revoke_timeout = \"4s\"
        delivery = {delivery:?}"
    )
}

impl Subject for Settings {
    fn kind(&self) -> &'static Kind {
        &super::KIND
    }

    fn silences(&self) -> Silences {
        let [session, poll, transaction] = fit::longest_silences(&self.properties.0);
        Silences { session, longest: session.max(poll).max(transaction), place: "kafka.properties" }
    }

    fn servers(&self) -> Result<Vec<String>, &'static str> {
        if !is_open(self) {
            return Err("the connection to Kafka is encrypted or bound to the names of the brokers");
        }
        let servers = self.bootstrap_servers.split(',').map(str::trim).filter(|server| !server.is_empty());
        Ok(servers.map(with_port).collect())
    }

    fn address(&self, local: &[String]) -> String {
        local.join(",")
    }

    fn stage<'a>(&'a self, names: &'a Names) -> BoxFuture<'a, Result<Box<dyn Stage>, Problem>> {
        let stage = stage::Topics::new(self, names).map(|topics| Box::new(topics) as Box<dyn Stage>);
        ready(stage).boxed()
    }
}

/// Returns whether a proxy can read the protocol, and the broker accepts clients that use another host name.
fn is_open(settings: &Settings) -> bool {
    let property = |name: &str| settings.properties.0.get(name).map(|value| value.to_ascii_uppercase());
    let protocol = property("security.protocol").unwrap_or_else(|| "PLAINTEXT".into());
    let mechanism = property("sasl.mechanisms").or_else(|| property("sasl.mechanism"));
    match protocol.as_str() {
        "PLAINTEXT" => true,
        // The default mechanism is GSSAPI, whose tickets are bound to host names.
        "SASL_PLAINTEXT" => mechanism.is_some_and(|mechanism| mechanism != "GSSAPI"),
        _ => false,
    }
}

/// Returns `host:port` of a bootstrap server, whose text may begin with a protocol and may lack the port.
fn with_port(server: &str) -> String {
    let server = server.split_once("://").map_or(server, |(_, server)| server);
    let has_port = server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if has_port { server.to_owned() } else { format!("{server}:{PORT}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_before_each_bootstrap_server_at_its_port() {
        let bootstrap_servers = "PLAINTEXT://one:9093, two,[::1]:9093,".to_owned();
        let settings = Settings { bootstrap_servers, properties: Default::default() };
        assert_eq!(settings.servers(), Ok(["one:9093", "two:9092", "[::1]:9093"].map(str::to_owned).into()));
        assert_eq!(settings.address(&["127.0.0.1:1".into(), "127.0.0.1:2".into()]), "127.0.0.1:1,127.0.0.1:2");
    }
}
