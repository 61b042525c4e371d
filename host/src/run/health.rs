//! The admin server, and its probes of the brokers.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Brokers;
use super::alerts::Depths;
use crate::admin::{self, Admin, Bound, DeadLetters, Health, KafkaHealth, Probe, Probes, QueueHealth, SqsHealth};
use crate::broker::{kafka, sqs};
use crate::config::Config;
use crate::exit::{Exit, Problem};
use crate::telemetry::metrics::Exporter;

/// The admin server at work.
pub(super) struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    pub(super) fn start(bound: Bound) -> Self {
        let (address, stop) = (bound.local_addr(), CancellationToken::new());
        let task = tokio::spawn(bound.run(stop.clone().cancelled_owned()));
        Self { address, stop, task }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        // It has no result; were it to panic, the process is at its end anyway.
        let _ = self.task.await;
    }
}

/// What whoever starts the host brings along.
pub(super) struct Own {
    /// In the place of the configured address.
    pub(super) listener: Option<TcpListener>,
    /// Beside the pages that there are.
    pub(super) pages: Option<axum::Router>,
}

/// Takes the address of the admin server where one is configured.
pub(super) async fn bind(
    config: &Config,
    health: Arc<Health>,
    metrics: &Exporter,
    brokers: &Arc<Brokers>,
    alerts: &Arc<Depths>,
    Own { listener, pages }: Own,
) -> Result<Option<Bound>, Problem> {
    let held = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let Some(listen) = held.or(config.admin.listen) else { return Ok(None) };
    let probes = Probes {
        health,
        metrics: Arc::new(metrics.renderer()),
        kafka: config.kafka.as_ref().map(|_| kafka(config, brokers, alerts)),
        sqs: config.sqs.as_ref().map(|_| sqs(config, brokers, alerts)),
        pages,
    };
    let hosts = config.admin.hosts.clone();
    let bound = Admin::new(admin::Config { listen, hosts }, probes).on(listener).bind().await;
    bound.map(Some).map_err(|error| {
        let remedy = "choose another address in [admin] listen, or \"\" for none";
        Problem::new(Exit::Unavailable, error.to_string(), remedy).at("admin.listen")
    })
}

fn kafka(config: &Config, brokers: &Arc<Brokers>, alerts: &Arc<Depths>) -> Probe<KafkaHealth> {
    let expected: Vec<String> = config.kafka_topics().into_keys().collect();
    let (config, brokers, alerts) = (config.clone(), Arc::clone(brokers), Arc::clone(alerts));
    Arc::new(move || {
        let (config, brokers, expected) = (config.clone(), Arc::clone(&brokers), expected.clone());
        let dead_letters = alerts.health(|destination| destination.broker == kafka::NAME);
        async move {
            match brokers.missing_topics(&config).await {
                Ok(missing) => {
                    let missing = missing.iter().map(ToString::to_string).collect();
                    KafkaHealth { connected: true, expected, missing, dead_letters, error: None }
                }
                Err(problem) => {
                    let error = Some(problem.what);
                    KafkaHealth { connected: false, expected, missing: Vec::new(), dead_letters, error }
                }
            }
        }
        .boxed()
    })
}

fn sqs(config: &Config, brokers: &Arc<Brokers>, alerts: &Arc<Depths>) -> Probe<SqsHealth> {
    let (queues, brokers, alerts) = (config.sqs_queues(), Arc::clone(brokers), Arc::clone(alerts));
    Arc::new(move || {
        let (queues, brokers) = (queues.clone(), Arc::clone(&brokers));
        let dead_letters = alerts.health(|destination| destination.broker == sqs::NAME);
        async move {
            let mut health = SqsHealth { connected: true, queues: Vec::new(), dead_letters, error: None };
            for queue in queues {
                let one = queue_health(&brokers, queue).await;
                if let Some(error) = &one.error {
                    health.connected = false;
                    health.error.get_or_insert(error.clone());
                }
                health.queues.push(one);
            }
            health
        }
        .boxed()
    })
}

async fn queue_health(brokers: &Brokers, name: String) -> QueueHealth {
    let empty = QueueHealth { name, available: None, in_flight: None, delayed: None, dead_letters: None, error: None };
    let depth = match brokers.depth(&empty.name).await {
        Ok(depth) => depth,
        Err(problem) => return QueueHealth { error: Some(problem.what), ..empty },
    };
    let redrive = brokers.queue(&empty.name).await.ok().and_then(|queue| queue.redrive);
    let dead_letters = match redrive {
        Some(queue) => {
            let available = brokers.depth(&queue).await.ok().map(|depth| depth.available);
            Some(DeadLetters { queue: queue.to_string(), available })
        }
        None => None,
    };
    let (available, in_flight) = (Some(depth.available), Some(depth.in_flight));
    QueueHealth { available, in_flight, delayed: Some(depth.delayed), dead_letters, ..empty }
}
