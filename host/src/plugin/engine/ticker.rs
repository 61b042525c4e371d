//! The thread that raises the epoch, and checks the warm instances about once a second.
//!
//! Waking a thread costs about as much as a message. So while no guest runs for long, ticks are rare; the first guest that
//! meets a tick makes them frequent.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use wasmtime::EngineWeak;

/// Interval of ticks while guests run for long. It is the precision of time limits, and the time that a guest runs before
/// others may.
pub(in crate::plugin) const TICK: Duration = Duration::from_millis(1);

/// Maximum interval of ticks while no guest runs for long. The first guest that does so keeps its thread for up to two
/// intervals.
const CALM: Duration = Duration::from_millis(4);

/// Number of frequent ticks before they become rare again: about a second.
const HASTE: u32 = 1_000;

/// Minimum number of rare ticks within a time limit, so that a guest meets three of them, and then the frequent ones, before
/// the limit is over.
const TICKS_OF_A_LIMIT: u32 = 4;

/// Interval between two checks of the warm instances.
const TIDY: Duration = Duration::from_secs(1);

/// Raises the epoch of its engines at each tick. The drop ends the thread and waits for it.
pub(in crate::plugin) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    engines: Mutex<Vec<EngineWeak>>,
    pulse: Arc<Pulse>,
    stopped: AtomicBool,
}

/// The interval of ticks.
#[derive(Debug)]
pub(in crate::plugin) struct Pulse {
    /// Time before the last tick, in microseconds.
    latest: AtomicU32,
    /// Interval of rare ticks, in microseconds.
    calm: AtomicU32,
    /// Whether a guest has run for long since the last tick.
    hurried: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        let micros = |time: Duration| AtomicU32::new(time.as_micros() as u32);
        Self { latest: micros(CALM), calm: micros(CALM), hurried: AtomicBool::new(false) }
    }
}

impl Pulse {
    /// A guest runs for a tick or longer: for about a second from now on, ticks come at intervals of [`TICK`].
    pub(in crate::plugin) fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Takes into account that guests are stopped after `limit`.
    pub(in crate::plugin) fn heed(&self, limit: Duration) {
        let calm = (limit / TICKS_OF_A_LIMIT).clamp(TICK, CALM);
        self.calm.fetch_min(calm.as_micros() as u32, Ordering::Relaxed);
    }

    /// The time between the last two ticks.
    pub(in crate::plugin) fn latest(&self) -> Duration {
        Duration::from_micros(self.latest.load(Ordering::Relaxed).into())
    }
}

impl Ticker {
    /// Starts the thread, which calls `tidy` about once a second.
    pub(in crate::plugin) fn start(tidy: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (pulse, stopped) = (Arc::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { engines: Mutex::default(), pulse, stopped });
        let thread = Builder::new().name("epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(tidy)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Adds an engine, until it is dropped elsewhere.
    pub(in crate::plugin) fn add(&self, engine: &wasmtime::Engine) {
        self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }

    pub(in crate::plugin) fn pulse(&self) -> &Arc<Pulse> {
        &self.shared.pulse
    }
}

impl Shared {
    fn run(&self, tidy: impl Fn()) {
        let (mut haste, mut tidied) = (0, Instant::now());
        while !self.stopped.load(Ordering::Acquire) {
            let calm = self.pulse.calm.load(Ordering::Relaxed);
            let interval = if haste > 0 { TICK.as_micros() as u32 } else { calm };
            park_timeout(Duration::from_micros(interval.into()));
            self.pulse.latest.store(interval, Ordering::Relaxed);
            self.tick();
            let hurried = self.pulse.hurried.swap(false, Ordering::Relaxed);
            haste = if hurried { HASTE } else { haste.saturating_sub(1) };
            if tidied.elapsed() >= TIDY {
                tidy();
                tidied = Instant::now();
            }
        }
    }

    fn tick(&self) {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.iter().filter_map(EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread does not panic; a panic could not be handled here anyway.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time until ticks come at such intervals.
    fn until(ticker: &Ticker, interval: Duration) -> Duration {
        let began = Instant::now();
        while ticker.pulse().latest() != interval {
            assert!(began.elapsed() < Duration::from_secs(60), "the pulse does not change");
            std::thread::yield_now();
        }
        began.elapsed()
    }

    #[test]
    fn ticks_are_seldom_until_a_guest_runs_for_long_and_once_none_does() {
        let ticker = Ticker::start(|| ()).unwrap();
        until(&ticker, CALM);
        ticker.pulse().hurry();
        until(&ticker, TICK);
        let lasted = until(&ticker, CALM);
        assert!(lasted >= TICK * (HASTE / 2), "calm again after {lasted:?}");
    }

    #[test]
    fn a_calm_interval_is_a_quarter_of_the_shortest_limit_at_most() {
        let pulse = Pulse::default();
        let calm = || Duration::from_micros(pulse.calm.load(Ordering::Relaxed).into());
        pulse.heed(Duration::from_secs(5));
        assert_eq!(calm(), CALM);
        pulse.heed(Duration::from_millis(10));
        assert_eq!(calm(), Duration::from_micros(2_500));
        pulse.heed(Duration::from_millis(100));
        assert_eq!(calm(), Duration::from_micros(2_500), "the shortest counts");
        pulse.heed(Duration::from_micros(1));
        assert_eq!(calm(), TICK);
    }
}
