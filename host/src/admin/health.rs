//! Health of the routes, as their flows report it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cofferdam_core::machine::Account;
use cofferdam_core::time::Time;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::polls::{Owner, Poll};

/// Time without a round of its loop, or of a thread in its handler, after which a route is stuck. The limits allow a handler
/// only a few milliseconds on a thread at a time.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Time out of its consumer group, or without being able to write, after which a route is not ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The state of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The route loads its plugin and connects.
    Starting,
    /// The route receives and handles messages.
    Running,
    /// Intake has stopped because messages wait for a destination or for the host; the route continues by itself.
    Holding,
    /// Intake has stopped because most messages fail; probes end it.
    CircuitOpen,
    /// A command has paused the route: it starts no attempt until another command.
    Paused,
    /// The route finishes running attempts and receives no messages.
    Draining,
    /// The route has ended.
    Stopped,
}

impl State {
    /// The name of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Holding => "holding",
            Self::CircuitOpen => "circuit_open",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the route can work, or will be able to without help. A paused route counts as ready: the pause was requested,
    /// and a new process would not help.
    const fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::Holding | Self::CircuitOpen | Self::Paused)
    }

    /// Whether the loop of the route must be running.
    const fn turns(self) -> bool {
        self.is_ready() || matches!(self, Self::Draining)
    }
}

/// The health of all routes. It is shared: flows report, and the admin server reads.
#[derive(Debug, Default)]
pub struct Health {
    routes: Mutex<Vec<Arc<RouteHealth>>>,
}

/// The health of one route.
#[derive(Debug)]
pub struct RouteHealth {
    name: Box<str>,
    plugin: OnceLock<Box<str>>,
    /// The threads that are in its handler.
    threads: Owner,
    report: Mutex<Report>,
    /// Why the route cannot continue.
    failure: Mutex<Option<Box<str>>>,
    obstacle: Mutex<Option<(Instant, Obstacle)>>,
    /// How long the route has been out of its consumer group, as last reported, and why.
    absence: Mutex<Option<(Duration, Option<Box<str>>)>>,
}

/// A destination that does not accept what a route writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// `kafka:orders.dlq`
    pub destination: Box<str>,
    /// The reason, as the broker or its client gave it.
    pub reason: Box<str>,
    /// Number of records whose dead letter is rejected for good; each blocks only its key.
    pub refused_dead_letters: usize,
    /// Since when the destination has not accepted something.
    #[serde(serialize_with = "iso_8601")]
    pub since: Time,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    state: State,
    since: Time,
    in_flight: usize,
    account: Account,
    turned: Instant,
}

/// A route in the format of `/health`.
#[derive(Debug, Serialize)]
pub(super) struct RoutePage {
    name: Box<str>,
    pub(super) state: State,
    #[serde(serialize_with = "iso_8601")]
    since: Time,
    in_flight: usize,
    account: Account,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Obstacle>,
}

/// A route whose loop does not run, or whose handler does not return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The route.
    pub route: Box<str>,
    /// Its plugin, if a thread does not return from it.
    pub plugin: Option<Box<str>>,
    /// The duration in milliseconds.
    pub silent_ms: u64,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, plugin, silent_ms } = self;
        match plugin {
            Some(plugin) => {
                write!(f, "a thread of route `{route}` has run plugin `{plugin}` for {silent_ms} ms, beyond its limits")
            }
            None => write!(f, "route `{route}` has made no progress for {silent_ms} ms"),
        }
    }
}

impl Health {
    /// Makes a health without routes.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a route with the state `starting` since `now`, or returns the existing one with this name. Add all routes before
    /// the server answers, because it does not wait for routes that are added later.
    pub fn route(&self, name: &str, now: Time) -> Arc<RouteHealth> {
        let mut routes = lock(&self.routes);
        if let Some(known) = routes.iter().find(|route| &*route.name == name) {
            return Arc::clone(known);
        }
        let report = Report {
            state: State::Starting,
            since: now,
            in_flight: 0,
            account: Account::default(),
            turned: Instant::now(),
        };
        let (plugin, threads, failure) = (OnceLock::new(), Owner::new(), Mutex::default());
        let (report, obstacle, absence) = (Mutex::new(report), Mutex::default(), Mutex::default());
        let route = RouteHealth { name: name.into(), plugin, threads, report, failure, obstacle, absence };
        let route = Arc::new(route);
        routes.push(Arc::clone(&route));
        route
    }

    pub(super) fn pages(&self) -> Vec<RoutePage> {
        lock(&self.routes).iter().map(|route| route.page()).collect()
    }

    pub(super) fn stuck(&self) -> Vec<Stuck> {
        lock(&self.routes).iter().filter_map(|route| route.stuck()).collect()
    }

    /// The reasons why routes are not ready; empty if all are ready.
    pub(super) fn unready(&self) -> Vec<String> {
        let routes = lock(&self.routes);
        if routes.is_empty() {
            return vec!["no route has started yet".to_owned()];
        }
        routes.iter().filter_map(|route| route.unready()).collect()
    }
}

impl RouteHealth {
    /// Reports the state of a route after a round of its loop. Call it once for each round, and, without work, at least
    /// every [`SILENCE`] / 3.
    pub fn report(&self, state: State, account: &Account, in_flight: usize, now: Time) {
        let mut report = lock(&self.report);
        if report.state != state {
            report.state = state;
            report.since = now;
        }
        report.account = *account;
        report.in_flight = in_flight;
        report.turned = Instant::now();
    }

    /// The name of the route.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets the name of the handler; only the first call has an effect.
    pub fn runs(&self, plugin: &str) {
        self.plugin.get_or_init(|| plugin.into());
    }

    /// Marks the current thread as working on messages of the route, until the returned value is dropped.
    pub fn poll(&self) -> Poll {
        self.threads.begin()
    }

    /// Returns a thread that has been in the handler for longer than `limit`.
    pub fn stuck_in_handler(&self, limit: Duration) -> Option<Stuck> {
        let longest = self.threads.longest();
        let plugin = self.plugin.get().map_or("?", |plugin| plugin);
        (longest > limit).then(|| Stuck { plugin: Some(plugin.into()), ..self.silent_for(longest) })
    }

    /// Reports that the route cannot continue. The first reason is kept.
    pub fn fail(&self, reason: &str) {
        lock(&self.failure).get_or_insert_with(|| reason.into());
    }

    /// Reports a destination that does not accept something. The last one is shown, with the time of the first.
    pub fn obstructed(&self, obstacle: Obstacle) {
        let mut known = lock(&self.obstacle);
        let (at, since) = known.as_ref().map_or((Instant::now(), obstacle.since), |(at, known)| (*at, known.since));
        *known = Some((at, Obstacle { since, ..obstacle }));
    }

    /// Reports how long the route has been out of its consumer group, and why; `None` if it is a member. Call it every few
    /// seconds.
    pub fn absent(&self, absence: Option<(Duration, Option<Box<str>>)>) {
        *lock(&self.absence) = absence;
    }

    /// The reason why the route is not ready.
    fn unready(&self) -> Option<String> {
        let (name, state) = (&self.name, lock(&self.report).state);
        if let Some(reason) = &*lock(&self.failure) {
            return Some(format!("route `{name}` is {}: {reason}", state.as_str()));
        }
        if !state.is_ready() {
            return Some(format!("route `{name}` is {}", state.as_str()));
        }
        if let Some((lasts, reason)) = &*lock(&self.absence)
            && *lasts >= PATIENCE
        {
            let reason = reason.as_deref().unwrap_or("no answer from the broker");
            return Some(format!(
                "route `{name}` has not been in its consumer group, or not allowed to read, for {} s: {reason}",
                lasts.as_secs()
            ));
        }
        // A dead letter that is rejected for good blocks nothing else of the route.
        let obstacle = lock(&self.obstacle);
        let (at, obstacle) = obstacle.as_ref().filter(|_| state == State::Holding)?;
        let lasts = at.elapsed();
        let (to, reason) = (&obstacle.destination, &obstacle.reason);
        (lasts >= PATIENCE)
            .then(|| format!("route `{name}` has failed to write to {to} for {} s: {reason}", lasts.as_secs()))
    }

    /// Reports that nothing waits for a destination any more.
    pub fn unobstructed(&self) {
        *lock(&self.obstacle) = None;
    }

    /// The counters, as last reported.
    pub fn account(&self) -> Account {
        lock(&self.report).account
    }

    /// Number of messages that are neither settled nor handed back, as last reported.
    pub fn in_flight(&self) -> usize {
        lock(&self.report).in_flight
    }

    fn page(&self) -> RoutePage {
        let Report { state, since, in_flight, account, .. } = *lock(&self.report);
        let waits_for = lock(&self.obstacle).as_ref().map(|(_, obstacle)| obstacle.clone());
        RoutePage { name: self.name.clone(), state, since, in_flight, account, waits_for }
    }

    fn stuck(&self) -> Option<Stuck> {
        let report = *lock(&self.report);
        let silent = report.turned.elapsed();
        let in_handler = self.stuck_in_handler(SILENCE);
        in_handler.or_else(|| (report.state.turns() && silent > SILENCE).then(|| self.silent_for(silent)))
    }

    fn silent_for(&self, silent: Duration) -> Stuck {
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        Stuck { route: self.name.clone(), plugin: None, silent_ms }
    }
}

/// The content is consistent after every step, so a panic elsewhere does not invalidate it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn iso_8601<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        Time::from_millis(1_000)
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_turn_is_stuck_and_one_that_turns_is_not() {
        let health = Health::new();
        let (one, two) = (health.route("one", now()), health.route("two", now()));
        for state in [State::Running, State::Holding, State::CircuitOpen, State::Paused, State::Draining] {
            one.report(state, &Account::default(), 0, now());
            two.report(state, &Account::default(), 0, now());
            tokio::time::advance(SILENCE).await;
            assert_eq!(health.stuck(), []);
            two.report(state, &Account::default(), 0, now());
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(health.stuck(), [Stuck { route: "one".into(), plugin: None, silent_ms: 30_001 }], "{state:?}");
        }
    }

    #[test]
    fn a_thread_that_does_not_come_back_from_a_handler_is_named_with_route_and_plugin() {
        let health = Health::new();
        let route = health.route("one", now());
        route.runs("hostile");
        assert_eq!(route.stuck_in_handler(Duration::ZERO), None);
        let poll = route.poll();
        let started = std::time::Instant::now();
        let stuck = loop {
            assert!(started.elapsed() < Duration::from_secs(60));
            if let Some(stuck) = route.stuck_in_handler(Duration::from_millis(1)) {
                break stuck;
            }
        };
        assert_eq!((&*stuck.route, stuck.plugin.as_deref()), ("one", Some("hostile")));
        assert!(stuck.to_string().starts_with("a thread of route `one` has run plugin `hostile` for "), "{stuck}");
        drop(poll);
        assert_eq!(route.stuck_in_handler(Duration::ZERO), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_starts_or_has_stopped_has_no_loop_to_turn() {
        let health = Health::new();
        let stopped = health.route("stopped", now());
        stopped.report(State::Stopped, &Account::default(), 0, now());
        health.route("starting", now());
        tokio::time::advance(SILENCE * 10).await;
        assert_eq!(health.stuck(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_cannot_write_or_is_not_in_its_group_for_a_minute_is_not_ready() {
        let health = Health::new();
        let route = health.route("orders", now());
        let obstacle = Obstacle {
            destination: "kafka:out".into(),
            reason: "not authorized to write to topic out".into(),
            refused_dead_letters: 0,
            since: now(),
        };
        route.obstructed(obstacle.clone());
        tokio::time::advance(PATIENCE).await;
        route.report(State::Running, &Account::default(), 0, now());
        assert!(health.unready().is_empty(), "one record waits, the others go on");
        route.report(State::Holding, &Account::default(), 0, now());
        let expected = "route `orders` has failed to write to kafka:out for 60 s: not authorized to write to topic out";
        assert_eq!(health.unready(), [expected]);
        // The report is repeated.
        route.obstructed(obstacle);
        assert_eq!(health.unready(), [expected]);
        route.unobstructed();
        assert!(health.unready().is_empty());

        route.absent(Some((PATIENCE / 2, None)));
        assert!(health.unready().is_empty());
        route.absent(Some((PATIENCE, Some("Group authorization failed".into()))));
        let expected = "route `orders` has not been in its consumer group, or not allowed to read, for 60 s: Group authorization failed";
        assert_eq!(health.unready(), [expected]);
        route.absent(None);
        assert!(health.unready().is_empty());
    }

    #[test]
    fn a_state_lasts_since_it_was_entered() {
        let health = Health::new();
        let route = health.route("one", now());
        route.report(State::Running, &Account::default(), 1, Time::from_millis(2_000));
        route.report(State::Running, &Account::default(), 2, Time::from_millis(3_000));
        let page = &health.pages()[0];
        assert_eq!((page.since, page.in_flight), (Time::from_millis(2_000), 2));
    }

    #[test]
    fn only_what_runs_holds_or_is_paused_is_ready() {
        let health = Health::new();
        assert_eq!(health.unready(), ["no route has started yet"]);
        let route = health.route("one", now());
        for (state, ready) in [
            (State::Starting, false),
            (State::Running, true),
            (State::Holding, true),
            (State::CircuitOpen, true),
            (State::Paused, true),
            (State::Draining, false),
            (State::Stopped, false),
        ] {
            route.report(state, &Account::default(), 0, now());
            let reasons = health.unready();
            assert_eq!(reasons.is_empty(), ready, "{reasons:?}");
            assert!(reasons.iter().all(|reason| *reason == format!("route `one` is {}", state.as_str())));
        }
    }
}
