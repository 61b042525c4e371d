//! Health of the routes, as their flows report it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cofferdam_core::machine::Account;
use cofferdam_core::time::Time;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::polls::{Owner, Poll};

/// A route whose loop has not turned for so long is stuck, and one whose handler has kept a thread for so long: no limit
/// lets it have one for more than some milliseconds at a time.
pub const SILENCE: Duration = Duration::from_secs(30);

/// A route that is out of its group, or cannot write, for so long is not ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a route is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It loads its plugin and connects.
    Starting,
    /// It takes in messages and handles them.
    Running,
    /// Intake has stopped because messages wait for a destination or for the host; it goes on by itself.
    Holding,
    /// A command has paused it: it starts no attempt until another command.
    Paused,
    /// It ends what runs and takes in nothing more.
    Draining,
    /// It has ended.
    Stopped,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Holding => "holding",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Able to do its work, or about to be without anybody's help. A pause is what people want: another process in its place
    /// would be no better.
    const fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::Holding | Self::Paused)
    }

    /// Its loop is expected to turn.
    const fn turns(self) -> bool {
        matches!(self, Self::Running | Self::Holding | Self::Paused | Self::Draining)
    }
}

/// How all routes are. Shared: whoever drives a route reports, whoever is asked looks.
#[derive(Debug, Default)]
pub struct Health {
    routes: Mutex<Vec<Arc<RouteHealth>>>,
}

/// How one route is.
#[derive(Debug)]
pub struct RouteHealth {
    name: Box<str>,
    plugin: OnceLock<Box<str>>,
    /// The threads in its handler.
    threads: Owner,
    report: Mutex<Report>,
    /// Why it cannot go on.
    failure: Mutex<Option<Box<str>>>,
    obstacle: Mutex<Option<(Instant, Obstacle)>>,
    /// For how long the route has been out of its consumer group, as last reported, and why.
    absence: Mutex<Option<(Duration, Option<Box<str>>)>>,
}

/// A destination that does not take what a route writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// `kafka:orders.dlq`
    pub destination: Box<str>,
    /// In the words of the broker or of its client.
    pub reason: Box<str>,
    /// Records whose dead letter is refused for good; each holds its key only.
    pub refused_dead_letters: usize,
    /// Since when something is not taken.
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

/// A route as `/health` shows it.
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

/// A route whose loop does not turn, or whose handler does not come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The route.
    pub route: Box<str>,
    /// Its plugin, where a thread does not come back from that.
    pub plugin: Option<Box<str>>,
    /// For how long, milliseconds.
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
    /// Health without routes.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a route, starting since `now`, or finds the one of this name. Add all routes before anybody can ask: a route
    /// that is not here is not waited for.
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

    /// Why not every route is ready; empty when all are.
    pub(super) fn unready(&self) -> Vec<String> {
        let routes = lock(&self.routes);
        if routes.is_empty() {
            return vec!["no route has started yet".to_owned()];
        }
        routes.iter().filter_map(|route| route.unready()).collect()
    }
}

impl RouteHealth {
    /// The route's loop has turned, and this is how things stand. To be called once for each round of the loop and, when
    /// there is nothing to do, at least every [`SILENCE`] / 3.
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

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its handler is called; the first name that is said stays.
    pub fn runs(&self, plugin: &str) {
        self.plugin.get_or_init(|| plugin.into());
    }

    /// This thread begins to work on its messages, and does so without a break until what is returned is dropped.
    pub fn poll(&self) -> Poll {
        self.threads.begin()
    }

    /// A thread that has been in its handler for longer than `limit`.
    pub fn stuck_in_handler(&self, limit: Duration) -> Option<Stuck> {
        let longest = self.threads.longest();
        let plugin = self.plugin.get().map_or("?", |plugin| plugin);
        (longest > limit).then(|| Stuck { plugin: Some(plugin.into()), ..self.silent_for(longest) })
    }

    /// It cannot go on, whatever its state. The first reason stays.
    pub fn fail(&self, reason: &str) {
        lock(&self.failure).get_or_insert_with(|| reason.into());
    }

    /// A destination does not take something. Of several the last is shown, and since when the first did not.
    pub fn obstructed(&self, obstacle: Obstacle) {
        let mut known = lock(&self.obstacle);
        let (at, since) = known.as_ref().map_or((Instant::now(), obstacle.since), |(at, known)| (*at, known.since));
        *known = Some((at, Obstacle { since, ..obstacle }));
    }

    /// The route has been out of its consumer group for so long, and why; `None` where it is in it. To be told every few
    /// seconds.
    pub fn absent(&self, absence: Option<(Duration, Option<Box<str>>)>) {
        *lock(&self.absence) = absence;
    }

    /// Why the route is not ready.
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
        // A letter that is refused for good keeps the route from nothing else.
        let obstacle = lock(&self.obstacle);
        let (at, obstacle) = obstacle.as_ref().filter(|_| state == State::Holding)?;
        let lasts = at.elapsed();
        let (to, reason) = (&obstacle.destination, &obstacle.reason);
        (lasts >= PATIENCE)
            .then(|| format!("route `{name}` has failed to write to {to} for {} s: {reason}", lasts.as_secs()))
    }

    /// Nothing waits for a destination any more.
    pub fn unobstructed(&self) {
        *lock(&self.obstacle) = None;
    }

    /// What came and what became of it, as last reported.
    pub fn account(&self) -> Account {
        lock(&self.report).account
    }

    /// Messages neither settled nor handed back, as last reported.
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

/// What is inside is whole after every step, so a panic elsewhere does not spoil it.
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
        for state in [State::Running, State::Holding, State::Paused, State::Draining] {
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
        // It is told again and again.
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
