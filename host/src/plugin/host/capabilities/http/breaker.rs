//! The circuit breaker of an HTTP host.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When the circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Consecutive failed requests that open the circuit; 0: never. Default: 10.
    pub failures: u32,
    /// Time until a probe is let through. Default: 60 s.
    pub probe_after: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 10, probe_after: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
pub(super) struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Failed requests since the last success.
    Closed(u32),
    /// No request is let through until this time.
    Open(Instant),
    /// One probe is in flight.
    Probing,
}

/// The permit of a request. It is given back when the request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Plain,
    /// The probe: other requests are refused until it ends.
    Probe,
}

/// The result of a request, as far as it tells whether the host works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    /// The request says nothing about the host.
    Untold,
}

/// A change of the state of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig) -> Self {
        Self { config, state: Mutex::new(State::Closed(0)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a permit if a request may be sent at `now`.
    pub(super) fn admit(&self, now: Instant) -> Option<Pass> {
        let mut state = self.state();
        match *state {
            State::Closed(_) => Some(Pass::Plain),
            State::Open(until) if now >= until => {
                *state = State::Probing;
                Some(Pass::Probe)
            }
            State::Open(_) | State::Probing => None,
        }
    }

    /// Records the result of a request that ended at `now`.
    pub(super) fn ended(&self, pass: Pass, ended: Ended, now: Instant) -> Option<Change> {
        let mut state = self.state();
        let (next, change) = match (*state, pass, ended) {
            (State::Closed(_), _, Ended::Well) => (State::Closed(0), None),
            (State::Closed(failures), _, Ended::Failed) => {
                let failures = failures.saturating_add(1);
                if self.config.failures > 0 && failures >= self.config.failures {
                    (State::Open(now + self.config.probe_after), Some(Change::Opened))
                } else {
                    (State::Closed(failures), None)
                }
            }
            (State::Probing, Pass::Probe, Ended::Well) => (State::Closed(0), Some(Change::Closed)),
            (State::Probing, Pass::Probe, Ended::Failed) => (State::Open(now + self.config.probe_after), None),
            // The next request is the probe.
            (State::Probing, Pass::Probe, Ended::Untold) => (State::Open(now), None),
            (state, ..) => (state, None),
        };
        *state = next;
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn fail(breaker: &Breaker, now: Instant) -> Option<Change> {
        let pass = breaker.admit(now).expect("it is closed");
        breaker.ended(pass, Ended::Failed, now)
    }

    #[test]
    fn ten_failures_in_a_row_leave_a_host_alone_for_a_minute() {
        let (breaker, start) = (Breaker::new(BreakerConfig::default()), Instant::now());
        for _ in 0..9 {
            assert_eq!(fail(&breaker, start), None);
        }
        assert_eq!(breaker.ended(Pass::Plain, Ended::Well, start), None);
        for _ in 0..9 {
            assert_eq!(fail(&breaker, start), None);
        }
        assert_eq!(breaker.ended(Pass::Plain, Ended::Untold, start), None, "neither here nor there");
        assert_eq!(fail(&breaker, start), Some(Change::Opened));
        assert_eq!(breaker.admit(start), None);
        assert_eq!(breaker.admit(start + MINUTE - Duration::from_millis(1)), None);
        assert_eq!(breaker.ended(Pass::Plain, Ended::Well, start), None, "one from before says nothing of now");
        assert_eq!(breaker.admit(start), None);
    }

    #[test]
    fn one_request_probes_and_the_others_wait_for_it() {
        let config = BreakerConfig { failures: 1, probe_after: MINUTE };
        let (breaker, start) = (Breaker::new(config), Instant::now());
        assert_eq!(fail(&breaker, start), Some(Change::Opened));
        let later = start + MINUTE;
        assert_eq!((breaker.admit(later), breaker.admit(later)), (Some(Pass::Probe), None));
        assert_eq!(breaker.ended(Pass::Probe, Ended::Untold, later), None);
        assert_eq!((breaker.admit(later), breaker.admit(later)), (Some(Pass::Probe), None), "it is given back");
        assert_eq!(breaker.ended(Pass::Probe, Ended::Failed, later), None);
        assert_eq!(breaker.admit(later + MINUTE / 2), None);
        assert_eq!(breaker.admit(later + MINUTE), Some(Pass::Probe));
        assert_eq!(breaker.ended(Pass::Probe, Ended::Well, later + MINUTE), Some(Change::Closed));
        assert_eq!(breaker.admit(later + MINUTE), Some(Pass::Plain));
    }

    #[test]
    fn a_breaker_of_no_failures_never_opens() {
        let breaker = Breaker::new(BreakerConfig { failures: 0, probe_after: MINUTE });
        assert!((0..1_000).all(|_| fail(&breaker, Instant::now()).is_none()));
    }
}
