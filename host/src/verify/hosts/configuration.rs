//! What the hosts are told: one file for each slot, and the handler.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::handler;
use crate::broker;
use crate::broker::verify::Names;
use crate::exit::{Exit, Problem};
use crate::verify::{Delivery, Plan};

/// The configuration with the addresses that the user has given. Those of the slots differ by a folder and, where proxies
/// are between, by the addresses of the brokers.
pub(in crate::verify) const DIRECT: &str = "direct.toml";

const HANDLER_FILE: &str = "handler.wasm";

const PLUGIN: &str = r#"
path = "handler.wasm"
limits = { memory = "1MiB", wall_time = "2s", cpu_time = "50ms" }
instances = { reuse = 64 }
"#;

/// What all routes have. Waits are short, so that a run has many retries and little idling.
const ROUTE: &str = r#"
handler = "verify"
envelope = "raw"
order = "key"
concurrency = 32
retry = { max_attempts = 4, initial_delay = "20ms", max_delay = "200ms", max_age = "1s" }
"#;

/// Translates the handler into the folder.
pub(super) fn write_handler(folder: &Path) -> Result<(), Problem> {
    let file = folder.join(HANDLER_FILE);
    fs::write(&file, handler::component()).map_err(|error| unwritable(&file, &error))
}

/// Writes the configuration with the addresses that the user has given; no host has it.
pub(in crate::verify) fn write_direct(folder: &Path, plan: &Plan, names: &Names) -> Result<PathBuf, Problem> {
    let file = folder.join(DIRECT);
    let text = configuration(&plan.sections, plan.delivery, names, 0).to_string();
    fs::write(&file, text).map_err(|error| unwritable(&file, &error))?;
    Ok(file)
}

/// Writes the configuration of a slot, whose brokers are where `sections` say.
pub(super) fn write(
    folder: &Path,
    sections: &Table,
    delivery: Delivery,
    names: &Names,
    slot: usize,
) -> Result<PathBuf, Problem> {
    let file = folder.join(format!("slot-{slot}.toml"));
    let text = configuration(sections, delivery, names, slot).to_string();
    fs::write(&file, text).map_err(|error| unwritable(&file, &error))?;
    Ok(file)
}

/// The configuration of a slot, as TOML.
pub(in crate::verify) fn configuration(sections: &Table, delivery: Delivery, names: &Names, slot: usize) -> Table {
    let mut routes = Vec::new();
    let mut file = Table::new();
    file.insert("service".into(), table(&format!("name = {:?}\ndrain_limit = \"5s\"", names.stem)));
    file.insert("topics".into(), table("create = false"));
    file.insert("admin".into(), table("listen = \"\""));
    file.insert("storage".into(), table(&format!("path = \"storage-{slot}\"")));
    file.insert("plugins".into(), Value::Table(Table::from_iter([("verify".to_owned(), table(PLUGIN))])));
    for kind in broker::ALL {
        let Some(section) = sections.get(kind.name) else { continue };
        file.insert(kind.name.into(), (kind.verify.section)(section));
        let keys = (kind.verify.route)(names, delivery.word());
        routes.push(table(&format!("name = {:?}\n{keys}\n{ROUTE}", kind.name)));
    }
    file.insert("routes".into(), Value::Array(routes));
    file
}

fn table(text: &str) -> Value {
    Value::Table(text.parse().expect("TOML, as a test sees"))
}

fn unwritable(file: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "").at(file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(sections: &str) -> Config {
        let text = configuration(&sections.parse().unwrap(), Delivery::ExactlyOnce, &Names::of("1a2b"), 2).to_string();
        Config::parse(&text, Path::new("slot-2.toml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    }

    #[test]
    fn there_is_a_route_for_each_broker() {
        let names = |config: &Config| config.routes.iter().map(|route| route.name().to_owned()).collect::<Vec<_>>();
        let (kafka, sqs) = ("[kafka]\nbootstrap_servers = \"b:1\"\n", "[sqs]\nendpoint = \"http://s:1\"\n");
        assert_eq!(names(&parse(kafka)), ["kafka"]);
        assert_eq!(names(&parse(sqs)), ["sqs"]);
        assert_eq!(names(&parse(&[kafka, sqs].concat())), ["kafka", "sqs"]);
    }

    #[test]
    fn properties_of_the_user_stand() {
        let config = parse(
            "[kafka]\nbootstrap_servers = \"b:1\"\n\
            properties = { \"session.timeout.ms\" = \"9000\", \"security.protocol\" = \"ssl\" }",
        );
        let properties = config.kafka.unwrap().properties.0;
        assert_eq!(properties["session.timeout.ms"], "9000");
        assert_eq!(properties["security.protocol"], "ssl");
        assert_eq!(properties["heartbeat.interval.ms"], "500");
    }

    #[test]
    fn the_poll_interval_is_short_unless_the_session_of_the_user_may_be_longer() {
        let set = |properties: &str| {
            let config = parse(&format!("[kafka]\nbootstrap_servers = \"b:1\"\nproperties = {{ {properties} }}"));
            config.kafka.unwrap().properties.0.get("max.poll.interval.ms").cloned()
        };
        assert_eq!(set("").as_deref(), Some("10000"));
        assert_eq!(set("\"session.timeout.ms\" = \"45000\""), None);
    }
}
