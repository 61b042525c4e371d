//! Builds and runs a host from a configuration. Only this module imports all others.

mod alerts;
mod brokers;
mod dedupe;
mod guests;
mod health;
mod listeners;
mod plugins;
pub mod reload;
mod routes;
mod stages;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::command::Command;
use cofferdam_core::machine::Account;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use plugins::{Handlers, Loader, load as load_plugins, spec as plugin_spec};
pub use stages::of as stages_of;

use crate::admin::{Health, RouteHealth, Stuck};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::RouteHandle;
use crate::dedupe::Store;
use crate::exit::{Exit, Problem, panic_text};
use crate::flow::{Flow, LAST_ATTEMPTS, Limits, Parts};
use crate::journal::Journal;
use crate::listener::Listener;
use crate::plugin::Plugin;
use crate::sink::Sinks;
use crate::telemetry::metrics::{self, Exporter};

pub use crate::broker::findings::{Findings, Unfit};
pub use brokers::Brokers;
use guests::Threads;
use reload::Reloader;
use routes::{Ended, Routes};

/// Interval between two checks of the sinks for a permanent failure.
const LOOK: Duration = Duration::from_secs(1);

/// Time that the admin server may take to close beyond the limits of a stop.
const CLOSE_ADMIN: Duration = Duration::from_millis(200);

/// Options of a host that are not part of its configuration.
#[derive(Default)]
pub struct Options {
    /// Makes one more listener for each route.
    pub watch: Option<Watch>,
    /// Whether the sinks also write to the topics and queues that routes read, for test input.
    pub feeds: bool,
    /// Whether all routes start paused.
    pub paused: bool,
    /// Pages that replace the start page of the admin server.
    pub pages: Option<axum::Router>,
    /// A bound listener for the admin server, used instead of the configured address. No other process can take the address
    /// before the start.
    pub listener: Option<std::net::TcpListener>,
    /// The journal, which records every step of every message.
    pub journal: Journal,
    /// The program that compiles plugins, see [`EngineConfig::compiler`](crate::plugin::EngineConfig::compiler).
    pub compiler: Option<PathBuf>,
}

/// Makes a listener for the route with the given name.
pub type Watch = Box<dyn Fn(&str) -> Box<dyn Listener>>;

/// A running host.
pub struct Host {
    flows: Routes,
    journal: Journal,
    routes: Vec<Arc<RouteHealth>>,
    brokers: Arc<Brokers>,
    sinks: Sinks,
    dedupe: Option<Store>,
    stop: CancellationToken,
    admin: Option<health::Served>,
    alerts: tokio::task::JoinHandle<()>,
    /// Held so that the background upkeep of the metrics runs.
    _metrics: Exporter,
    loader: Arc<Loader>,
    handlers: Handlers,
    drain_limit: Duration,
    flush_limit: Duration,
    /// The threads of the handlers. The last field, so that they are dropped after everything that uses them.
    guests: Threads,
}

/// The result of a host that has ended.
#[derive(Debug, Default)]
pub struct Report {
    /// The sum of the counters of all routes.
    pub account: Account,
    /// The reasons why the host stopped by itself, each with the route that ended; without a route it is the whole host.
    pub stopped: Vec<(Option<Box<str>>, Box<str>)>,
    /// Whether one of these reasons is a fault of the host itself: a panic, or a route that did not end.
    pub failed: bool,
    /// A broker client failed permanently; only a new process can continue.
    pub client_failed: bool,
    /// A broker did not answer the last commit of a route, so the messages that it covers may be delivered again.
    pub cut_short: bool,
    /// Number of publications without an answer at the end of the limits.
    pub unflushed: usize,
    /// Threads that did not return from a handler, each with its route and plugin. They end with the process.
    pub stuck: Vec<Stuck>,
}

/// Time after the limits of a stop at which the host stops waiting for routes. A route that has not ended by then has a
/// thread that does not return.
const OVERDUE: Duration = Duration::from_secs(1);

impl Host {
    /// Loads the plugins, connects to the brokers and starts every route.
    ///
    /// # Errors
    /// All problems that prevent the start, as far as one check can find them.
    pub async fn start(config: &Config, options: Options) -> Result<Self, Vec<Problem>> {
        let clock = Clock::set();
        // Metrics come first, so that refused plugins are counted.
        let metrics = metrics::install().map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
        let (loader, handlers) = plugins::load(config, options.compiler).await?;
        let dedupe = dedupe::open(config).await?;
        let brokers = Arc::new(Brokers::connect(config).await?);
        brokers.ensure().await?;
        brokers.examine().await.log()?;
        let mut sources = Vec::with_capacity(config.routes.len());
        for configured in &config.routes {
            let (source, route) = brokers.source(configured, clock).await?;
            let transactions = brokers.transactions(configured, &route).await?;
            sources.push((source, route, transactions));
        }
        let routes: Vec<_> = sources.iter().map(|(_, route, _)| Arc::clone(route)).collect();
        let sinks = brokers.sinks(&routes, options.feeds).await?;
        let guests = Threads::start().map_err(|error| {
            Problem::new(Exit::Unavailable, format!("failed to start threads for handlers: {error}"), "")
        })?;
        let health = Health::new();
        let depths = Arc::new(alerts::Depths::of(config, &routes));
        // The admin server sends commands to routes through these handles, so they must exist before it.
        let handles: Vec<_> = routes.iter().map(|route| RouteHandle::new(&route.name)).collect();
        // Another process may use the address, so it is bound before any message is received.
        let own = health::Own { listener: options.listener, pages: options.pages };
        let admin = health::bind(config, Arc::clone(&health), &metrics, &brokers, &depths, own).await?;
        options.journal.started().map_err(|error| unwritten(&error))?;
        let alerts = tokio::spawn(alerts::run(Arc::clone(&depths), Arc::clone(&brokers)));
        let mut host = Self {
            flows: Routes::new(),
            journal: options.journal.clone(),
            routes: Vec::new(),
            admin: None,
            alerts,
            stop: CancellationToken::new(),
            drain_limit: config.service.drain_limit,
            flush_limit: config.service.flush_limit,
            brokers,
            sinks,
            dedupe,
            _metrics: metrics,
            loader: Arc::new(loader),
            handlers: handlers.clone(),
            guests,
        };
        let configured = config.routes.iter().zip(handles);
        for ((source, route, transactions), (configured, (handle, commands))) in sources.into_iter().zip(configured) {
            if options.paused {
                handle.send(Command::Pause).await.expect("its commands are heard below");
            }
            let health = route_health(&health, &route.name, &configured.handler, clock);
            let parts = Parts {
                listeners: listeners::of(&route, &health, &options.journal, options.watch.as_ref()),
                health,
                commands,
                route,
                source,
                sinks: host.sinks.clone(),
                handler: Arc::clone(&handlers[&configured.handler]),
                guests: host.guests.handles(),
                stages: stages::of(configured),
                clock,
                transactions,
                dedupe: host.dedupe.clone().filter(|_| configured.suppresses_duplicates()),
                limits: Limits { drain: config.service.drain_limit, flush: config.service.flush_limit },
            };
            host.spawn(handle, parts)?;
        }
        // The admin server now knows all routes.
        host.admin = admin.map(health::Served::start);
        Ok(host)
    }

    fn spawn(&mut self, handle: RouteHandle, parts: Parts<Plugin>) -> Result<(), Problem> {
        let name = handle.name().to_owned();
        self.routes.push(Arc::clone(&parts.health));
        let started = self.flows.start(handle, Flow::new(parts).run(self.stop.clone()));
        let remedy = "a Kafka route needs six threads and twelve open files; check `ulimit -u` and `ulimit -Hn`";
        let refused =
            |error| Problem::new(Exit::Unavailable, format!("failed to start a thread for the route: {error}"), remedy);
        started.map_err(|error| refused(error).at(&name))
    }

    /// Returns the reloader for the plugins of this host. `config` is the configuration of the start, `file` its file, and
    /// `read` reads it again.
    pub fn reloader(&self, config: Config, file: PathBuf, read: reload::Read, tell: reload::Tell) -> Reloader {
        let (loader, handlers) = (Arc::clone(&self.loader), self.handlers.clone());
        Reloader::new(reload::Parts { loader, handlers, config, file, read, guests: self.guests.handles().slow, tell })
    }

    /// The health of each route, in the order of the configuration.
    pub fn routes(&self) -> &[Arc<RouteHealth>] {
        &self.routes
    }

    /// Handles of the running routes, by name, for commands.
    pub fn handles(&self) -> &[RouteHandle] {
        self.flows.handles()
    }

    /// The sinks of all outputs.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// The address of the admin server; `None` if there is none.
    pub fn admin(&self) -> Option<std::net::SocketAddr> {
        self.admin.as_ref().map(health::Served::address)
    }

    /// The connected brokers.
    pub fn brokers(&self) -> &Arc<Brokers> {
        &self.brokers
    }

    /// A token that drains the host when it is cancelled.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until every route has ended. If one route stops itself, the others are stopped too.
    pub async fn ended(mut self) -> Report {
        let (mut report, mut until) = (Report::default(), None);
        let (stop, limit) = (self.stop.clone(), self.drain_limit + self.flush_limit + OVERDUE);
        let mut overdue = pin!(async move {
            stop.cancelled().await;
            tokio::time::sleep(limit).await;
        });
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let ended = tokio::select! {
                ended = self.flows.next() => ended,
                _ = looks.tick(), if !report.client_failed => {
                    self.look_at_sinks(&mut report);
                    continue;
                }
                () = &mut overdue => {
                    self.give_up(&mut report, limit);
                    until.get_or_insert_with(Instant::now);
                    break;
                }
            };
            let Some(Ended { route, how }) = ended else { break };
            match how {
                Ok(ending) => {
                    report.account += ending.account;
                    report.client_failed |= ending.client_failed;
                    until = until.max(Some(ending.until));
                    report.cut_short |= ending.cut_short;
                    report.stopped.extend(ending.stopped.map(|reason| (Some(route), reason)));
                    report.stuck.extend(ending.stuck);
                }
                Err(panic) => {
                    report.failed = true;
                    report.stopped.push((Some(route), format!("panicked: {}", panic_text(&*panic)).into()));
                }
            }
            if !report.stopped.is_empty() {
                self.stop.cancel();
            }
        }
        if report.stopped.is_empty()
            && report.stuck.is_empty()
            && report.account.abandoned == 0
            && !report.cut_short
            && let Err(error) = self.journal.stopped()
        {
            report.stopped.push((None, unwritten(&error).what.into()));
        }
        // The limits apply to the whole stop. Publications that are already durable take no time here.
        let until = until.unwrap_or_else(|| Instant::now() + self.flush_limit);
        report.unflushed = self.sinks.close(until.saturating_duration_since(Instant::now())).await;
        if let Some(admin) = self.admin.take() {
            // Requests that are still open then are cut off.
            let _ = timeout_at(until + CLOSE_ADMIN, admin.close()).await;
        }
        // The task only reads, so it can be aborted.
        self.alerts.abort();
        report
    }

    /// Reports the routes that have not ended `limit` after the stop.
    fn give_up(&self, report: &mut Report, limit: Duration) {
        for route in &self.routes {
            if !self.flows.running().iter().any(|running| **running == *route.name()) {
                continue;
            }
            report.account += route.account();
            match route.stuck_in_handler(LAST_ATTEMPTS) {
                Some(stuck) => report.stuck.push(stuck),
                None => {
                    let reason = format!("did not end within {limit:?} of the stop");
                    report.failed = true;
                    report.stopped.push((Some(route.name().into()), reason.into()));
                }
            }
        }
    }
}

fn route_health(health: &Health, route: &str, plugin: &str, clock: Clock) -> Arc<RouteHealth> {
    let health = health.route(route, clock.now());
    health.runs(plugin);
    health
}

impl Host {
    /// Stops all routes if a producer has failed permanently, because it can publish nothing any more.
    fn look_at_sinks(&self, report: &mut Report) {
        let Some(reason) = self.sinks.failure() else { return };
        tracing::error!(event = "client_failed", client = "producer", %reason, "the producer failed permanently");
        let reason: Box<str> = format!("the producer failed permanently: {reason}").into();
        for route in &self.routes {
            route.fail(&reason);
        }
        report.stopped.push((None, reason));
        report.client_failed = true;
        self.stop.cancel();
    }
}

fn unwritten(error: &std::io::Error) -> Problem {
    Problem::new(Exit::Unavailable, format!("failed to write the journal: {error}"), "")
}

#[cfg(test)]
mod tests;
