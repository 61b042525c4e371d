//! Opens the store of event ids that a configuration names.

use crate::config::{Config, RouteConfig};
use crate::dedupe::{Error, Store};
use crate::exit::{Exit, Problem};

/// The store, if a route suppresses duplicates.
///
/// # Errors
/// When it cannot be reached now, or refuses.
pub(super) async fn open(config: &Config) -> Result<Option<Store>, Problem> {
    if !config.routes.iter().any(RouteConfig::suppresses_duplicates) {
        return Ok(None);
    }
    let opened = Store::open(config.dedupe.clone()).await.map_err(|error| {
        let (exit, remedy) = match &error {
            Error::Unavailable { .. } => (Exit::Unavailable, "check that it is running and reachable; see [dedupe]"),
            Error::Damaged { .. } => (
                Exit::Data,
                "restore it from a backup, or move it away to start with an empty one: redelivered events of the last [dedupe] \
                 window are then handled again",
            ),
            Error::Refused { .. } => (Exit::Configuration, "check user, password and permissions of [dedupe] url"),
        };
        Problem::new(exit, error.to_string(), remedy).at("dedupe")
    });
    opened.map(Some)
}
