//! The pages of the admin server.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::Probes;
use super::health::{Health, RoutePage, Stuck};
use super::probe::{Answer, Asked, KafkaHealth, SqsHealth};
use crate::escape;

const INDEX: &str = "\
cofferdam

/livez         whether all routes and handler threads make progress
/readyz        whether all routes are running and all brokers connected
/health        full state of routes and brokers
/kafka/health  connection, expected and missing topics
/sqs/health    messages in each queue
/metrics       metrics in the Prometheus text format
";

/// Text format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Asking {
    health: Arc<Health>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    kafka: Option<Asked<KafkaHealth>>,
    sqs: Option<Asked<SqsHealth>>,
}

pub(super) fn router(probes: Probes) -> Router {
    let asking = Asking {
        health: probes.health,
        metrics: probes.metrics,
        kafka: probes.kafka.map(Asked::new),
        sqs: probes.sqs.map(Asked::new),
    };
    let pages = probes.pages.unwrap_or_else(|| Router::new().route("/", get(|| async { INDEX })));
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/kafka/health", get(kafka))
        .route("/sqs/health", get(sqs))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(asking))
        .merge(pages)
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
    kafka: Broker<KafkaHealth>,
    sqs: Broker<SqsHealth>,
}

#[derive(Serialize)]
struct Broker<T> {
    status: Status,
    #[serde(flatten)]
    answer: Option<T>,
}

impl<T: Answer> Broker<T> {
    async fn ask(asked: &Option<Asked<T>>) -> Self {
        match asked {
            None => Self { status: Status::Absent, answer: None },
            Some(asked) => {
                let answer = asked.answer().await;
                Self { status: Status::of(answer.is_well()), answer: Some(answer) }
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.answer.as_ref().is_none_or(T::is_connected)
    }
}

impl Asking {
    /// The brokers' answers, and why the process is not ready.
    async fn readiness(&self) -> (Broker<KafkaHealth>, Broker<SqsHealth>, Vec<String>) {
        let (kafka, sqs) = tokio::join!(Broker::ask(&self.kafka), Broker::ask(&self.sqs));
        let mut reasons = self.health.unready();
        for (name, connected) in [("kafka", kafka.is_connected()), ("sqs", sqs.is_connected())] {
            if !connected {
                reasons.push(format!("{name} is not connected"));
            }
        }
        (kafka, sqs, reasons)
    }
}

async fn livez(State(asking): State<Arc<Asking>>) -> Response {
    let stuck = asking.health.stuck();
    let status = Status::of(stuck.is_empty());
    answer(status, Live { status, stuck })
}

async fn readyz(State(asking): State<Arc<Asking>>) -> Response {
    let (_, _, reasons) = asking.readiness().await;
    let status = Status::of(reasons.is_empty());
    answer(status, Ready { status, reasons })
}

async fn health(State(asking): State<Arc<Asking>>) -> Response {
    let (kafka, sqs, mut reasons) = asking.readiness().await;
    let ready = reasons.is_empty();
    let stuck = asking.health.stuck();
    let live = stuck.is_empty();
    reasons.extend(stuck.iter().map(ToString::to_string));
    let failing = [kafka.status, sqs.status].contains(&Status::Failing);
    let status = Status::of(live && ready && !failing);
    answer(status, Whole { status, live, ready, reasons, routes: asking.health.pages(), kafka, sqs })
}

async fn kafka(State(asking): State<Arc<Asking>>) -> Response {
    let broker = Broker::ask(&asking.kafka).await;
    answer(broker.status, broker)
}

async fn sqs(State(asking): State<Arc<Asking>>) -> Response {
    let broker = Broker::ask(&asking.sqs).await;
    answer(broker.status, broker)
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
