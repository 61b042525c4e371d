//! Selects the listeners of a route's flow.

use std::sync::Arc;

use cofferdam_core::route::Route;

use super::Watch;
use crate::admin::{HealthListener, RouteHealth};
use crate::journal::Journal;
use crate::listener::Listener;
use crate::telemetry::Telemetry;

/// The listeners of a route, in the order of their calls. The journal is first: it must be written before an action is
/// carried out and before another listener sees the action.
pub(super) fn of(
    route: &Arc<Route>,
    health: &Arc<RouteHealth>,
    journal: &Journal,
    watch: Option<&Watch>,
) -> Vec<Box<dyn Listener>> {
    let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
    if journal.is_kept() {
        listeners.push(Box::new(journal.clone()));
    }
    listeners.push(Box::new(Telemetry::new(Arc::clone(route))));
    listeners.push(Box::new(HealthListener::new(Arc::clone(health))));
    listeners.extend(watch.map(|watch| watch(&route.name)));
    listeners
}
