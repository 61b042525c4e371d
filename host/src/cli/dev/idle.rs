//! Detects that all input is settled.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::RouteHealth;
use crate::config::Config;
use crate::run::Brokers;

/// Time between two checks.
const LOOK: Duration = Duration::from_millis(100);

/// Returns when everything in the topics and queues was received and is settled, in two checks in a row.
pub(super) async fn until_idle(config: &Config, routes: &[Arc<RouteHealth>], brokers: &Brokers) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let ended: u64 = routes.iter().map(|route| route.account().ended()).sum();
        let idle = is_idle(config, routes, brokers).await;
        if idle && before == Some(ended) {
            return;
        }
        before = idle.then_some(ended);
    }
}

async fn is_idle(config: &Config, routes: &[Arc<RouteHealth>], brokers: &Brokers) -> bool {
    for (route, health) in config.routes.iter().zip(routes) {
        if health.in_flight() > 0 {
            return false;
        }
        if !brokers.is_exhausted(&route.source, health.account().received).await {
            return false;
        }
    }
    true
}
