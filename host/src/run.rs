//! Wires a configuration into a running host. The only floor that imports all others.

mod alerts;
mod brokers;
mod conditions;
mod dedupe;
mod findings;
mod guests;
mod health;
mod listeners;
mod plugins;
mod queues;
pub mod redrive;
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

pub use brokers::Brokers;
pub use conditions::Unfit;
pub use findings::Findings;
use guests::Threads;
use reload::Reloader;
use routes::{Ended, Routes};

/// Time between two looks at the sinks.
const LOOK: Duration = Duration::from_secs(1);

/// The admin server may take this long beyond the limits of a stop.
const CLOSE_ADMIN: Duration = Duration::from_millis(200);

/// What a host is given beside its configuration.
#[derive(Default)]
pub struct Options {
    /// Makes one more listener for a route.
    pub watch: Option<Watch>,
    /// All routes begin with a pause.
    pub paused: bool,
    /// Pages in the place of the admin server's first one.
    pub pages: Option<axum::Router>,
    /// Where the admin server listens, in the place of what is configured: nobody else can take the address meanwhile.
    pub listener: Option<std::net::TcpListener>,
    /// Takes down what becomes of every message.
    pub journal: Journal,
    /// The program that compiles plugins, see [`EngineConfig::compiler`](crate::plugin::EngineConfig::compiler).
    pub compiler: Option<PathBuf>,
}

/// Makes a listener for the route of this name.
pub type Watch = Box<dyn Fn(&str) -> Box<dyn Listener>>;

/// A host at work.
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
    /// Tidied up for as long as this is there.
    _metrics: Exporter,
    loader: Arc<Loader>,
    handlers: Handlers,
    drain_limit: Duration,
    flush_limit: Duration,
    /// Handlers run here. Last, so that it goes when nothing can need it any more.
    guests: Threads,
}

/// How a host ended.
#[derive(Debug, Default)]
pub struct Report {
    /// The sum over all routes.
    pub account: Account,
    /// Routes that stopped by themselves, and why.
    pub stopped: Vec<(Box<str>, Box<str>)>,
    /// A client of a broker has failed for good: only another process can go on.
    pub client_failed: bool,
    /// A broker has not answered the last commit of a route: what it covers may come again.
    pub cut_short: bool,
    /// Publications that were still on their way when the limit was over.
    pub unflushed: usize,
    /// Threads that have not come back, each with its route and plugin. They go with the process.
    pub stuck: Vec<Stuck>,
}

/// A route that has not ended so long after the limits of a stop has a thread that does not come back.
const OVERDUE: Duration = Duration::from_secs(1);

impl Host {
    /// Loads the plugins, connects to the brokers and starts every route.
    ///
    /// # Errors
    /// Everything that keeps it from starting, as far as it can be found at once.
    pub async fn start(config: &Config, options: Options) -> Result<Self, Vec<Problem>> {
        let clock = Clock::set();
        // First: what is refused is counted too.
        let metrics = metrics::install().map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
        let (loader, handlers) = plugins::load(config, options.compiler).await?;
        let dedupe = dedupe::open(config).await?;
        let brokers = Arc::new(Brokers::connect(config).await?);
        brokers.ensure_topics(config).await?;
        brokers.ensure_queues(config).await?;
        brokers.examine(config).await.log()?;
        let mut sources = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let (source, route) = brokers.source(config, route, clock).await?;
            let transactions = brokers.transactions(config, &route).await?;
            sources.push((source, route, transactions));
        }
        let routes: Vec<_> = sources.iter().map(|(_, route, _)| Arc::clone(route)).collect();
        let sinks = brokers.sinks(config, &routes).await?;
        let guests = Threads::start().map_err(|error| {
            Problem::new(Exit::Unavailable, format!("failed to start threads for handlers: {error}"), "")
        })?;
        let health = Health::new();
        let depths = Arc::new(alerts::Depths::of(config, &routes));
        // Before the admin server, which commands routes by them.
        let handles: Vec<_> = routes.iter().map(|route| RouteHandle::new(&route.name)).collect();
        // Before any message is received, for somebody else may have the address.
        let own = health::Own { listener: options.listener, pages: options.pages };
        let admin = health::bind(config, Arc::clone(&health), &metrics, &brokers, &depths, own).await?;
        options.journal.started().map_err(|error| unwritten(&error))?;
        let alerts = tokio::spawn(alerts::run(Arc::clone(&depths), config.clone(), Arc::clone(&brokers)));
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
                stages: stages::of(),
                clock,
                transactions,
                dedupe: host.dedupe.clone().filter(|_| configured.suppresses_duplicates()),
                limits: Limits { drain: config.service.drain_limit, flush: config.service.flush_limit },
            };
            host.spawn(handle, parts)?;
        }
        // Now it knows all of them.
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

    /// What renews its plugins. `config` is what it was started with, as it stands in `file`, and `read` reads it anew.
    pub fn reloader(&self, config: Config, file: PathBuf, read: reload::Read, tell: reload::Tell) -> Reloader {
        let (loader, handlers) = (Arc::clone(&self.loader), self.handlers.clone());
        Reloader::new(reload::Parts { loader, handlers, config, file, read, guests: self.guests.handles().slow, tell })
    }

    /// How the routes are, in the order of the configuration.
    pub fn routes(&self) -> &[Arc<RouteHealth>] {
        &self.routes
    }

    /// The routes at work, by their names, for commands.
    pub fn handles(&self) -> &[RouteHandle] {
        self.flows.handles()
    }

    /// Where its outputs go.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Where the admin server listens.
    pub fn admin(&self) -> Option<std::net::SocketAddr> {
        self.admin.as_ref().map(health::Served::address)
    }

    /// The brokers it is connected to.
    pub fn brokers(&self) -> &Arc<Brokers> {
        &self.brokers
    }

    /// Cancelling it drains the host.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until every route has ended; one that stops by itself stops the others too.
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
                    report.stopped.extend(ending.stopped.map(|reason| (route, reason)));
                    report.stuck.extend(ending.stuck);
                }
                Err(panic) => report.stopped.push((route, format!("panicked: {}", panic_text(&*panic)).into())),
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
            report.stopped.push(("?".into(), unwritten(&error).what.into()));
        }
        // The limits are those of the whole stop; what is durable already takes no time.
        let until = until.unwrap_or_else(|| Instant::now() + self.flush_limit);
        report.unflushed = self.sinks.close(until.saturating_duration_since(Instant::now())).await;
        if let Some(admin) = self.admin.take() {
            // Whoever still reads a page is cut off then.
            let _ = timeout_at(until + CLOSE_ADMIN, admin.close()).await;
        }
        // It only looks.
        self.alerts.abort();
        report
    }

    /// Names the routes that have not ended, `limit` after they were told to.
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
                    report.stopped.push((route.name().into(), reason.into()));
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
    /// A producer that has failed for good publishes nothing any more: the routes stop, and the process ends.
    fn look_at_sinks(&self, report: &mut Report) {
        let Some(reason) = self.sinks.failure() else { return };
        tracing::error!(event = "client_failed", client = "producer", %reason, "the producer failed permanently");
        let reason: Box<str> = format!("the producer failed permanently: {reason}").into();
        for route in &self.routes {
            route.fail(&reason);
        }
        report.stopped.push(("*".into(), reason));
        report.client_failed = true;
        self.stop.cancel();
    }
}

fn unwritten(error: &std::io::Error) -> Problem {
    Problem::new(Exit::Unavailable, format!("failed to write the journal: {error}"), "")
}

#[cfg(test)]
mod tests;
