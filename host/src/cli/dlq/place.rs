//! The dead-letter destinations that arguments name.

use cofferdam_core::output::Destination;

use super::super::ConfigArgument;
use super::super::run::load;
use super::Where;
use crate::broker::{self, Fit, Kind};
use crate::config::{Config, RouteConfig};
use crate::exit::{Exit, Problem};
use crate::run::Brokers;

/// The configuration, the brokers, and at least one dead-letter destination.
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) brokers: Brokers,
    pub(super) destinations: Vec<Destination>,
}

impl Place {
    /// Finds the destination `name`, or those of the route.
    pub(super) async fn find(which: &Where, name: Option<&str>) -> Result<Self, Vec<Problem>> {
        let config = load(&ConfigArgument { config: which.config.clone() })?;
        let brokers = Brokers::connect(&config).await?;
        let destinations = match (name, &which.route) {
            (Some(name), None) => vec![destination(&config, &brokers, name)?],
            (None, Some(route)) => brokers.dead_letters_of(self::route(&config, which, route)?).await?,
            (Some(name), Some(route)) => {
                let what = format!("both the topic or queue {name} and --route {route} are given");
                return Err(Problem::new(Exit::Usage, what, "omit one of them").into());
            }
            (None, None) => {
                let remedy = "name a topic or queue, for example orders.placed.dlq, or a route by --route";
                return Err(Problem::new(Exit::Usage, "missing topic, queue or --route", remedy).into());
            }
        };
        Ok(Self { config, brokers, destinations })
    }

    /// Returns the only destination.
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

    /// Checks that no route reads the destinations, because `verb` would delete or mark messages that are not handled yet.
    pub(super) fn no_route_reads(&self, verb: &str) -> Result<(), Problem> {
        let origins = self.brokers.origins();
        let is_source = |destination: &&Destination| origins.know(&broker::known_as(destination));
        let Some(source) = self.destinations.iter().find(is_source) else { return Ok(()) };
        let what = format!("a route of the configuration reads {source}: its messages are not dead letters");
        let remedy = format!("name a dead-letter destination, or {verb} with a --config without that route");
        Err(Problem::new(Exit::Usage, what, remedy))
    }
}

fn route<'a>(config: &'a Config, which: &Where, name: &str) -> Result<&'a RouteConfig, Problem> {
    let file = || which.config.display().to_string();
    super::super::route(config, name).map_err(|problem| problem.at(file()))
}

/// Parses `BROKER:NAME`, or a name alone if only one broker can have it.
pub(super) fn destination(config: &Config, brokers: &Brokers, name: &str) -> Result<Destination, Problem> {
    if let Some(destination) = broker::destination(name) {
        return Ok(destination);
    }
    if name.is_empty() || broker::ALL.iter().any(|kind| name.strip_suffix(':') == Some(kind.name)) {
        let what = format!("the name of the topic or queue is empty in {name:?}");
        return Err(Problem::new(
            Exit::Usage,
            what,
            "expected for example orders.placed.dlq or kafka:orders.placed.dlq",
        ));
    }
    let only = |takes: &dyn Fn(&Kind) -> bool| match broker::ALL.iter().filter(|kind| takes(kind)).collect::<Vec<_>>()[..]
    {
        [kind] => Some((kind.destination)(name)),
        _ => None,
    };
    let found = only(&|kind| (kind.fits)(name) == Fit::Only)
        .or_else(|| only(&|kind| (kind.named)(&config.routes).contains(name)))
        .or_else(|| only(&|kind| brokers.of(kind.name).is_ok()))
        .or_else(|| only(&|kind| (kind.fits)(name) == Fit::Likely));
    found.ok_or_else(|| {
        let words: Vec<String> = broker::ALL.iter().map(|kind| format!("{}:{name}", kind.name)).collect();
        let what = format!("ambiguous name `{name}`: topic or queue");
        Problem::new(Exit::Usage, what, format!("write {}", words.join(" or ")))
    })
}
