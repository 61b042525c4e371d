//! Counts dead letters in their destinations periodically, and logs an alert above the threshold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Route};
use metrics::gauge;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Brokers;
use crate::admin::LetterHealth;
use crate::config::Config;
use crate::dead_letters::Backlog;
use crate::exit::Problem;

/// Interval at which an alert is logged again while it lasts.
const REPEATED: Duration = Duration::from_secs(600);

/// How long dead letters may stay uncounted before it is logged: routes log a short outage of a broker themselves.
const UNCOUNTED: Duration = Duration::from_secs(60);

/// Dead letters in each destination at the last check; shared with the admin server.
pub(super) struct Depths {
    limit: u64,
    interval: Duration,
    letters: Mutex<BTreeMap<Destination, Option<u64>>>,
}

impl Depths {
    /// Tracks all destinations of these routes that the configuration names.
    pub(super) fn of(config: &Config, routes: &[Arc<Route>]) -> Self {
        let mut destinations = BTreeSet::new();
        for (route, configured) in routes.iter().zip(&config.routes) {
            match &route.dead_letter {
                DeadLetterRule::To(destination) => drop(destinations.insert(destination.clone())),
                // Only the broker knows which topics an expression matches.
                rule @ DeadLetterRule::BesideSource { .. } => {
                    destinations.extend(configured.source.named().map(|source| rule.beside(source)));
                }
            }
        }
        let letters = destinations.into_iter().map(|destination| (destination, None)).collect();
        let alerts = config.alerts;
        Self { limit: alerts.dead_letters, interval: alerts.interval, letters: Mutex::new(letters) }
    }

    /// The selected counts, in the form of `/health`.
    pub(super) fn health(&self, of: impl Fn(&Destination) -> bool) -> Vec<LetterHealth> {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = letters.iter().filter(|(destination, _)| of(destination)).map(|(destination, letters)| {
            let alert = letters.is_some_and(|letters| letters > self.limit);
            LetterHealth { destination: destination.to_string(), letters: *letters, limit: self.limit, alert }
        });
        shown.collect()
    }

    fn destinations(&self) -> Vec<Destination> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn set(&self, destination: &Destination, letters: Option<u64>) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).insert(destination.clone(), letters);
    }
}

/// Checks until it is aborted. Errors do not end it: the next check tries again.
pub(super) async fn run(depths: Arc<Depths>, brokers: Arc<Brokers>) {
    let mut backlogs: BTreeMap<Destination, Box<dyn Backlog>> = BTreeMap::new();
    let mut said: BTreeMap<Destination, Instant> = BTreeMap::new();
    let mut failing: BTreeMap<Destination, Instant> = BTreeMap::new();
    let mut ticks = interval(depths.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for destination in depths.destinations() {
            let letters = match look(&destination, &brokers, &mut backlogs).await {
                Ok(letters) => {
                    failing.remove(&destination);
                    letters
                }
                Err(problem) => {
                    let event = "dlq_depth_unknown";
                    if is_to_be_logged(&destination, &mut failing, Instant::now()) {
                        let text = "failed to count the dead letters for a minute: no alert is possible";
                        tracing::warn!(event, %destination, %problem, "{text}");
                    } else {
                        tracing::debug!(event, %destination, %problem, "failed to count the dead letters");
                    }
                    depths.set(&destination, None);
                    continue;
                }
            };
            depths.set(&destination, Some(letters));
            gauge!("cofferdam_dead_letters", "destination" => destination.to_string()).set(letters as f64);
            tell(&destination, letters, depths.limit, &mut said);
        }
    }
}

async fn look(
    destination: &Destination,
    brokers: &Brokers,
    backlogs: &mut BTreeMap<Destination, Box<dyn Backlog>>,
) -> Result<u64, Problem> {
    if !backlogs.contains_key(destination) {
        backlogs.insert(destination.clone(), brokers.backlog(destination)?);
    }
    backlogs[destination].letters().await.map_err(|error| error.problem())
}

/// Whether a failure to count this destination has lasted so long, for example without the permission, that it is logged
/// now. `failing` has the time from which [`UNCOUNTED`] counts.
fn is_to_be_logged(destination: &Destination, failing: &mut BTreeMap<Destination, Instant>, now: Instant) -> bool {
    let since = failing.entry(destination.clone()).or_insert(now);
    let lasts = now.saturating_duration_since(*since) >= UNCOUNTED;
    if lasts {
        *since = now + REPEATED.saturating_sub(UNCOUNTED);
    }
    lasts
}

fn tell(destination: &Destination, letters: u64, limit: u64, said: &mut BTreeMap<Destination, Instant>) {
    let event = "dlq_depth";
    if letters <= limit {
        if said.remove(destination).is_some() {
            tracing::info!(event, %destination, letters, limit, "dead-letter depth is back below the threshold");
        }
        return;
    }
    if said.get(destination).is_none_or(|last| last.elapsed() >= REPEATED) {
        said.insert(destination.clone(), Instant::now());
        tracing::warn!(event, %destination, letters, limit, "dead-letter depth is above the threshold");
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::output::DestinationTraits;

    use super::*;

    #[test]
    fn dead_letters_that_cannot_be_counted_are_logged_after_a_minute_and_every_ten() {
        let destination = Destination::new("log", "in.dlq", DestinationTraits::LOG);
        let (begin, mut failing) = (Instant::now(), BTreeMap::new());
        let at = |second| begin + Duration::from_secs(second);
        let mut logged: Vec<u64> =
            (0..1_300).filter(|second| is_to_be_logged(&destination, &mut failing, at(*second))).collect();
        assert_eq!(logged, [60, 660, 1_260]);
        failing.remove(&destination); // it was counted
        logged = (1_300..1_400).filter(|second| is_to_be_logged(&destination, &mut failing, at(*second))).collect();
        assert_eq!(logged, [1_360]);
    }
}
