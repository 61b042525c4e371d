//! librdkafka properties: which of them the host owns, the defaults, and how user settings override them.

pub(crate) mod fit;

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// The properties that the delivery guarantees depend on. The host sets them; users cannot.
pub const OWNED: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "partition.assignment.strategy",
    "group.protocol",
    "group.remote.assignor",
    "isolation.level",
    "enable.partition.eof",
    "acks",
    "enable.idempotence",
    "transactional.id",
];

/// Aliases of librdkafka for properties, and the names that are used here. Without this table an alias would bypass
/// [`OWNED`], or stand beside a default, and it would be random which of the two wins.
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("auto.commit.enable", "enable.auto.commit"),
    ("compression.codec", "compression.type"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("message.send.max.retries", "retries"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// The reason why properties are invalid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host owns the property.
    #[error("the kafka property `{given}` is reserved for the host (`{owned}`); remove it")]
    Owned {
        /// The name as the user wrote it.
        given: Box<str>,
        /// The name in [`OWNED`].
        owned: &'static str,
    },
    /// librdkafka does not know the property, or refuses its value.
    #[error("invalid kafka property `{name}`{}: {reason}", shown(value))]
    Refused {
        /// The name of the property, as the user wrote it.
        name: Box<str>,
        /// The value; `None` if it may be a secret.
        value: Option<Box<str>>,
        /// The error text of librdkafka.
        reason: Box<str>,
    },
    /// librdkafka refuses the combination of properties.
    #[error("invalid kafka properties: {reason}")]
    Together {
        /// The error text of librdkafka.
        reason: Box<str>,
    },
}

/// Returns the owned property that `name`, a name or an alias, stands for; `None` if users may set it.
pub fn owned(name: &str) -> Option<&'static str> {
    let name = first_name(name);
    OWNED.iter().copied().find(|owned| *owned == name)
}

/// Checks names and values as far as possible without a broker.
///
/// # Errors
/// The first property that the host owns, that is unknown, or whose value is invalid.
pub fn check(properties: &BTreeMap<String, String>) -> Result<(), Error> {
    client(&[], properties, &[]).map(drop)
}

/// Creates a client configuration. `properties` and the values that follow from them ([`fit`]) override `defaults`; the
/// values in `decided` override both.
pub(crate) fn client(
    defaults: &[(&str, &str)],
    properties: &BTreeMap<String, String>,
    decided: &[(&str, &str)],
) -> Result<ClientConfig, Error> {
    let mut client = ClientConfig::new();
    // The journal limits the rate of log lines. Debug lines appear only if the user has set a debug context.
    let debug = properties.contains_key("debug");
    client.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    for (name, value) in defaults {
        client.set(*name, *value);
    }
    for (name, value) in fit::followers(properties) {
        client.set(name, value);
    }
    for (name, value) in properties {
        if let Some(owned) = owned(name) {
            return Err(Error::Owned { given: name.as_str().into(), owned });
        }
        client.set(first_name(name), value);
    }
    for (name, value) in decided {
        client.set(*name, *value);
    }
    match client.create_native_config() {
        Ok(_) => Ok(client),
        Err(KafkaError::ClientConfig(_, reason, name, value)) => {
            let given = properties.keys().find(|given| first_name(given) == name);
            let name: Box<str> = given.map_or(name.as_str(), String::as_str).into();
            let value = Some(value.into()).filter(|_| !may_be_secret(&name));
            Err(Error::Refused { name, value, reason: reason.trim().into() })
        }
        Err(error) => Err(Error::Together { reason: error.to_string().into() }),
    }
}

/// Whether the value of the property may be a password, a private key or a token.
fn may_be_secret(name: &str) -> bool {
    ["password", "secret", "pem", "key", "token", "oauthbearer"].iter().any(|word| name.contains(word))
}

fn shown(value: &Option<Box<str>>) -> String {
    value.as_ref().map(|value| format!(" = {value:?}")).unwrap_or_default()
}

fn first_name(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, first)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn owned_properties_are_refused_under_every_name() {
        for name in OWNED.iter().chain(&["metadata.broker.list", "request.required.acks", "auto.commit.enable"]) {
            let refused = check(&given(name, "1")).unwrap_err();
            assert!(matches!(&refused, Error::Owned { given, .. } if **given == **name), "{refused}");
        }
        assert_eq!(owned("session.timeout.ms"), None);
    }

    #[test]
    fn unknown_names_and_impossible_values_are_refused_by_name() {
        for (name, value) in [("fetch.mim.bytes", "1"), ("linger.ms", "soon"), ("compression.codec", "")] {
            let refused = check(&given(name, value)).unwrap_err();
            let named = format!("invalid kafka property `{name}` = {value:?}: ");
            assert!(refused.to_string().starts_with(&named), "{refused}");
        }
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_not_shown() {
        let refused = check(&given("ssl.key.pasword", "hunter2")).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }

    #[test]
    fn a_second_name_takes_the_place_of_the_default() {
        let client = client(&[("compression.type", "snappy")], &given("compression.codec", "lz4"), &[]).unwrap();
        assert_eq!(client.get("compression.type"), Some("lz4"));
        assert_eq!(client.get("compression.codec"), None);
    }
}
