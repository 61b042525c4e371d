//! The pages of the admin server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use serde::Serialize;
use serde_json::Value;

use super::Probes;
use super::health::{Health, RoutePage, Stuck};
use super::probe::{Asked, BrokerHealth};
use crate::escape;

/// The list of the addresses; `brokers` contains those of the brokers.
fn index(brokers: &str) -> String {
    format!(
        "\
cofferdam

/livez         whether all routes and handler threads make progress
/readyz        whether all routes are running and all brokers connected
/health        full state of routes and brokers
{brokers}/metrics       metrics in the Prometheus text format
"
    )
}

/// The content type of the Prometheus text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Asking {
    health: Arc<Health>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The brokers by name; `None` if the broker is not configured.
    brokers: Vec<(&'static str, Option<Asked>)>,
}

pub(super) fn router(probes: Probes) -> Router {
    let brokers = probes.brokers.into_iter().map(|(name, probe)| (name, probe.map(Asked::new))).collect();
    let asking = Arc::new(Asking { health: probes.health, metrics: probes.metrics, brokers });
    let addresses = asking.brokers.iter().map(|(name, _)| format!("{:15}state of {name}\n", format!("/{name}/health")));
    let index = index(&addresses.collect::<String>());
    let pages = probes.pages.unwrap_or_else(|| Router::new().route("/", get(|| async { index })));
    let mut router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics));
    for (index, (name, _)) in asking.brokers.iter().enumerate() {
        let broker = move |State(asking): State<Arc<Asking>>| async move {
            let broker = Broker::ask(asking.brokers.get(index).and_then(|(_, asked)| asked.as_ref())).await;
            answer(broker.status, broker)
        };
        router = router.route(&format!("/{name}/health"), get(broker));
    }
    router.with_state(asking).merge(pages)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Failing,
    Absent,
}

impl Status {
    fn of(well: bool) -> Self {
        if well { Self::Ok } else { Self::Failing }
    }
}

#[derive(Serialize)]
struct Live {
    status: Status,
    stuck: Vec<Stuck>,
}

#[derive(Serialize)]
struct Ready {
    status: Status,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct Whole {
    status: Status,
    live: bool,
    ready: bool,
    reasons: Vec<String>,
    routes: Vec<RoutePage>,
    #[serde(flatten)]
    brokers: BTreeMap<&'static str, Broker>,
}

#[derive(Serialize)]
struct Broker {
    status: Status,
    #[serde(flatten)]
    page: Option<Value>,
    #[serde(skip)]
    is_connected: bool,
}

impl Broker {
    async fn ask(asked: Option<&Asked>) -> Self {
        match asked {
            None => Self { status: Status::Absent, page: None, is_connected: true },
            Some(asked) => {
                let BrokerHealth { connected, well, page } = asked.answer().await;
                Self { status: Status::of(well), page: Some(page), is_connected: connected }
            }
        }
    }
}

impl Asking {
    /// The answers of the brokers, and the reasons why the process is not ready.
    async fn readiness(&self) -> (BTreeMap<&'static str, Broker>, Vec<String>) {
        let asked = self.brokers.iter().map(|(name, asked)| async move { (*name, Broker::ask(asked.as_ref()).await) });
        let brokers = join_all(asked).await;
        let mut reasons = self.health.unready();
        let away = brokers.iter().filter(|(_, broker)| !broker.is_connected);
        reasons.extend(away.map(|(name, _)| format!("{name} is not connected")));
        (brokers.into_iter().collect(), reasons)
    }
}

async fn livez(State(asking): State<Arc<Asking>>) -> Response {
    let stuck = asking.health.stuck();
    let status = Status::of(stuck.is_empty());
    answer(status, Live { status, stuck })
}

async fn readyz(State(asking): State<Arc<Asking>>) -> Response {
    let (_, reasons) = asking.readiness().await;
    let status = Status::of(reasons.is_empty());
    answer(status, Ready { status, reasons })
}

async fn health(State(asking): State<Arc<Asking>>) -> Response {
    let (brokers, mut reasons) = asking.readiness().await;
    let ready = reasons.is_empty();
    let stuck = asking.health.stuck();
    let live = stuck.is_empty();
    reasons.extend(stuck.iter().map(ToString::to_string));
    let failing = brokers.values().any(|broker| broker.status == Status::Failing);
    let status = Status::of(live && ready && !failing);
    answer(status, Whole { status, live, ready, reasons, routes: asking.health.pages(), brokers })
}

async fn metrics(State(asking): State<Arc<Asking>>) -> Response {
    ([(header::CONTENT_TYPE, EXPOSITION)], (asking.metrics)()).into_response()
}

fn answer(status: Status, page: impl Serialize) -> Response {
    let code = if status == Status::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let page = match serde_json::to_string(&page) {
        Ok(page) => page,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    (code, headers, escape::json(&page).into_owned()).into_response()
}
