//! Opens the configured event-id store.

use crate::config::{Config, RouteConfig};
use crate::dedupe::{Error, Store};
use crate::exit::{Exit, Problem};

/// Opens the event-id store, if a route suppresses duplicates.
///
/// # Errors
/// The store cannot be reached or refuses the connection.
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
