//! When all input is settled.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::RouteHealth;
use crate::config::{Config, Source};
use crate::run::Brokers;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

/// Until everything that stands in topics and queues was received and has come to its end, twice in a row.
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
        let settled = match &route.source {
            Source::Kafka { topics, .. } => {
                let topics: Vec<Arc<str>> = topics.iter().map(|topic| topic.as_str().into()).collect();
                brokers.records(&topics).await.is_ok_and(|records| health.account().received >= records)
            }
            Source::Sqs { queue, .. } => brokers.depth(queue).await.is_ok_and(|depth| depth.total() == 0),
        };
        if !settled {
            return false;
        }
    }
    true
}
