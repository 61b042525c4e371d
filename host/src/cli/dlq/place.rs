//! Where the dead letters are that somebody means.

use cofferdam_core::output::Destination;

use super::super::ConfigArgument;
use super::super::run::load;
use super::Where;
use crate::config::{Config, RouteConfig};
use crate::exit::{Exit, Problem};
use crate::run::Brokers;

/// The configuration, the brokers, and the topics or queues that are meant: at least one.
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) brokers: Brokers,
    pub(super) destinations: Vec<Destination>,
}

impl Place {
    /// Finds what `name`, or else the route, stands for.
    pub(super) async fn find(which: &Where, name: Option<&str>) -> Result<Self, Vec<Problem>> {
        let config = load(&ConfigArgument { config: which.config.clone() })?;
        let brokers = Brokers::connect(&config).await?;
        let destinations = match (name, &which.route) {
            (Some(name), None) => vec![destination(&config, name)?],
            (None, Some(route)) => brokers.dead_letters_of(self::route(&config, which, route)?).await?,
            (Some(_), Some(_)) => {
                let what = "both a topic or queue and --route are given";
                return Err(Problem::new(Exit::Usage, what, "omit one of them").into());
            }
            (None, None) => {
                let remedy = "name a topic or queue, for example orders.placed.dlq, or a route by --route";
                return Err(Problem::new(Exit::Usage, "missing topic, queue or --route", remedy).into());
            }
        };
        Ok(Self { config, brokers, destinations })
    }

    /// The only topic or queue.
    pub(super) fn only(&self) -> Result<&Destination, Problem> {
        match &*self.destinations {
            [only] => Ok(only),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                let what = "the route has dead letters in several topics";
                Err(Problem::new(Exit::Usage, what, format!("name one of them: {}", names.join(", "))))
            }
        }
    }
}

fn route<'a>(config: &'a Config, which: &Where, name: &str) -> Result<&'a RouteConfig, Problem> {
    let file = || which.config.display().to_string();
    super::super::route(config, name).map_err(|problem| problem.at(file()))
}

/// `kafka:TOPIC`, `sqs:QUEUE`, or a name alone where it can only be one of them.
pub(super) fn destination(config: &Config, name: &str) -> Result<Destination, Problem> {
    let topic = || Destination::Kafka(name.into());
    let queue = || Destination::Sqs(name.into());
    match name.split_once(':') {
        Some(("kafka", topic)) if !topic.is_empty() => return Ok(Destination::Kafka(topic.into())),
        Some(("sqs", queue)) if !queue.is_empty() => return Ok(Destination::Sqs(queue.into())),
        _ => {}
    }
    if name.starts_with("http") && name.contains("://") {
        return Ok(queue());
    }
    let named = (config.kafka_topics().contains_key(name), config.sqs_queues().contains(name));
    match (&config.kafka, &config.sqs, named) {
        (Some(_), None, _) | (_, _, (true, false)) => Ok(topic()),
        (None, Some(_), _) | (_, _, (false, true)) => Ok(queue()),
        // The name of a queue has no dots, but for the last.
        _ if name.ends_with(".fifo") => Ok(queue()),
        _ if name.contains('.') => Ok(topic()),
        _ => {
            let what = format!("ambiguous name `{name}`: topic or queue");
            Err(Problem::new(Exit::Usage, what, format!("write kafka:{name} or sqs:{name}")))
        }
    }
}
