//! Brokers inside this process.

use cofferdam_core::output::Destination;
use cofferdam_core::route::Guarantee;

use super::input::Input;
use crate::broker::Embedded;
use crate::config::{Config, Store};
use crate::dedupe;
use crate::exit::{Exit, Problem};

/// Starts the brokers, and changes the configuration to use them.
pub(super) async fn start(config: &mut Config, input: &Input) -> Result<Vec<Embedded>, Problem> {
    if let Some(route) = config.routes.iter().find(|route| route.delivery() == Guarantee::ExactlyOnce) {
        let what = "embedded brokers do not support transactions, which exactly_once needs";
        let remedy = "use `cofferdam run` with Apache Kafka, or set delivery = \"at_least_once\" for dev";
        return Err(Problem::new(Exit::Configuration, what, remedy).at(route.name()));
    }
    let fed: Vec<Destination> = input.destinations().collect();
    let started = config.embed(&fed).await?;
    let shown: Vec<&str> = started.iter().map(|broker| broker.shown.as_str()).collect();
    tell!(
        "embedded brokers, in memory only: {}; test delivery guarantees with `run` and real brokers",
        shown.join(", ")
    );
    config.keyvalue.store = Store::Memory;
    config.dedupe.place = dedupe::Place::Memory { capacity: dedupe::CAPACITY };
    Ok(started)
}
