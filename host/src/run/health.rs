//! The admin server, and the probes of the brokers for it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use futures::FutureExt;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Brokers;
use super::alerts::Depths;
use crate::admin::{self, Admin, Bound, BrokerHealth, Health, Probe, Probes};
use crate::broker;
use crate::config::Config;
use crate::exit::{Exit, Problem};
use crate::telemetry::metrics::Exporter;

/// A running admin server.
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
        // The task has no result, and a panic does not matter at the end of the process.
        let _ = self.task.await;
    }
}

/// Parts of the admin server that the caller of `Host::start` provides.
pub(super) struct Own {
    /// Used instead of the configured address.
    pub(super) listener: Option<TcpListener>,
    /// Pages that replace the start page; the other built-in pages stay.
    pub(super) pages: Option<axum::Router>,
}

/// Binds the address of the admin server, if one is configured.
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
        brokers: broker::ALL.map(|kind| (kind.name, probe(kind.name, brokers, alerts))).into(),
        pages,
    };
    let hosts = config.admin.hosts.clone();
    let bound = Admin::new(admin::Config { listen, hosts }, probes).on(listener).bind().await;
    bound.map(Some).map_err(|error| {
        let remedy = "choose another address in [admin] listen, or \"\" for none";
        Problem::new(Exit::Unavailable, error.to_string(), remedy).at("admin.listen")
    })
}

/// Returns the probe of the broker with this name; `None` if it is not configured.
fn probe(name: &'static str, brokers: &Arc<Brokers>, alerts: &Arc<Depths>) -> Option<Probe> {
    brokers.of(name).ok()?;
    let (brokers, alerts) = (Arc::clone(brokers), Arc::clone(alerts));
    Some(Arc::new(move || {
        let dead_letters = alerts.health(|destination| destination.broker == name);
        let brokers = Arc::clone(&brokers);
        async move {
            match brokers.of(name) {
                Ok(broker) => broker.health(dead_letters).await,
                Err(problem) => BrokerHealth::of(false, false, &json!({ "error": problem.what })),
            }
        }
        .boxed()
    }))
}
