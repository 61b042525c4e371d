//! The admin server: liveness, readiness, health of brokers and metrics over HTTP.
//!
//! It listens only on the configured address and is read-only.
//!
//! | address | answers | 200 when, else 503 |
//! |---|---|---|
//! | `/livez` | `{"status","stuck":[{"route","plugin","silent_ms"}]}` | the loop of every route has turned within [`SILENCE`], and no thread has been in its handler for so long |
//! | `/readyz` | `{"status","reasons":["..."]}` | every route is running or holding, none has been out of its consumer group or unable to write for a minute, and the brokers are connected |
//! | `/health` | `{"status","live","ready","reasons","routes":[...],"kafka":{...},"sqs":{...}}` | all of this page is well |
//! | `/kafka/health` | `{"status","connected","expected":["topic"],"missing":["topic"],"dead_letters":[...],"error"}` | connected, no topic missing |
//! | `/sqs/health` | `{"status","connected","queues":[...],"dead_letters":[...],"error"}` | connected, every queue answers |
//! | `/metrics` | Prometheus text, version 0.0.4 | always |
//! | `/` | the list of these addresses | always |
//!
//! An entry in `stuck` has a `plugin` if a thread does not return from it. Only a restart helps: the handler's limits have
//! not stopped it.
//!
//! `status` is `ok`, `failing`, or `absent` for a broker that is not configured (which is healthy). A route is
//! `{"name","state","since","in_flight","account"}` with `state` one of `starting`, `running`, `holding`, `draining`,
//! `stopped`, `since` in ISO 8601, and `account` as `run` prints it; if a destination rejects its publications also
//! `waits_for`: `{"destination","reason","refused_dead_letters","since"}`. A queue is `{"name","available","in_flight",
//! "delayed","dead_letters":{"queue","available"},"error"}`; unknown values are null. A destination of dead letters is
//! `{"destination","letters","limit","alert"}`, from the last check (`[alerts]`); an alert changes no status.
//!
//! A request whose `Host` is a public, unconfigured name gets the status 421, so that no web page can read these pages
//! through its own name (DNS rebinding).
//!
//! The server asks brokers at most once a second for all clients; a broker without an answer within [`PROBE_LIMIT`]
//! counts as not connected.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod connection;
mod health;
mod hosts;
mod listener;
mod pages;
mod polls;
mod probe;

pub use health::{Health, Obstacle, RouteHealth, SILENCE, State, Stuck};
pub use listener::HealthListener;
pub use polls::Poll;
pub use probe::{BrokerHealth, LetterHealth, PROBE_LIMIT, Probe};

use connection::{Bounds, Server};
use hosts::Hosts;

/// Maximum time for open requests after the end of the server; then their connections are closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The address and allowed host names of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address and port; port 0 selects a free port.
    pub listen: SocketAddr,
    /// Further allowed host names of requests, besides addresses, `localhost` and names that cannot exist on the internet.
    pub hosts: Vec<String>,
}

/// The sources of the answers.
pub struct Probes {
    /// The health of the routes, which their flows report.
    pub health: Arc<Health>,
    /// Returns the text of all metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The probes of all known brokers, by name; `None` if the broker is not configured.
    pub brokers: Vec<(&'static str, Option<Probe>)>,
    /// Pages in addition to these addresses, including `/`.
    pub pages: Option<axum::Router>,
}

/// The reason why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is in use, or does not belong to this machine.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
}

/// The server, before it listens.
pub struct Admin {
    config: Config,
    probes: Probes,
    held: Option<std::net::TcpListener>,
}

/// The server, bound to its address.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Hosts,
    probes: Probes,
}

impl Admin {
    /// Makes a server with this configuration and these probes.
    pub fn new(config: Config, probes: Probes) -> Self {
        Self { config, probes, held: None }
    }

    /// Uses this bound listener instead of the configured address, if there is one.
    #[must_use]
    pub fn on(self, held: Option<std::net::TcpListener>) -> Self {
        Self { held, ..self }
    }

    /// Binds the address.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(self) -> Result<Bound, Error> {
        let listen = self.config.listen;
        let failed = |source| Error::Bind { listen, source };
        let listener = match self.held {
            Some(held) => held.set_nonblocking(true).and_then(|()| TcpListener::from_std(held)),
            None => TcpListener::bind(listen).await,
        };
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hosts = Hosts::new(&self.config.hosts);
        Ok(Bound { listener, address, hosts, probes: self.probes })
    }
}

impl Bound {
    /// The actual address, with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` completes and open requests are answered, at most a few seconds later (a client has one
    /// second, a broker [`PROBE_LIMIT`]). An error of a client does not end the server.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let cut = CancellationToken::new();
        let end = CancellationToken::new();
        let pages = pages::router(self.probes);
        let server = Server { listener: self.listener, pages, hosts: Arc::new(self.hosts), bounds: Bounds::default() };
        let serving = server.run(end.clone(), cut.clone());
        let farewell = async {
            shutdown.await;
            end.cancel();
            tokio::time::sleep(FAREWELL).await;
            cut.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // It completes when all connections have ended.
            () = serving => {}
            () = farewell => {}
        }
    }
}

#[cfg(test)]
mod tests;
