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
pub use probe::{DeadLetters, KafkaHealth, LetterHealth, PROBE_LIMIT, Probe, QueueHealth, SqsHealth};

use connection::{Bounds, Server};
use hosts::Hosts;

/// How long requests under way may go on after the end; then their connections are cut.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names that requests may be for, beside addresses, `localhost` and names that nobody on the internet can have.
    pub hosts: Vec<String>,
}

/// Whom to ask.
pub struct Probes {
    /// How the routes are; whoever drives them keeps it up to date.
    pub health: Arc<Health>,
    /// The text of all metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// How Kafka is; `None` where it is not configured.
    pub kafka: Option<Probe<KafkaHealth>>,
    /// How the queues are; `None` where SQS is not configured.
    pub sqs: Option<Probe<SqsHealth>>,
    /// Pages beside these addresses, `/` among them.
    pub pages: Option<axum::Router>,
}

/// Why nobody can ask.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The server, before it listens.
pub struct Admin {
    config: Config,
    probes: Probes,
    held: Option<std::net::TcpListener>,
}

/// The server, with its address taken.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Hosts,
    probes: Probes,
}

impl Admin {
    /// A server that will listen as `config` says and ask `probes`.
    pub fn new(config: Config, probes: Probes) -> Self {
        Self { config, probes, held: None }
    }

    /// The same on this listener, if there is one, which has the address already.
    #[must_use]
    pub fn on(self, held: Option<std::net::TcpListener>) -> Self {
        Self { held, ..self }
    }

    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be had.
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
    /// Where it listens; the port is the real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is over and the requests under way are answered, at most a few seconds later (a client has
    /// one second, a broker [`PROBE_LIMIT`]). No error of a client ends it.
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
            // It ends when all its connections have.
            () = serving => {}
            () = farewell => {}
        }
    }
}

#[cfg(test)]
mod tests;
