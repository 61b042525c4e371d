//! The clock of the core, and the CPU clocks of threads and of the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_core::time::Time;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A clock that is set once from the wall clock and is monotonic afterwards.
///
/// Copies show the same time. It uses [`tokio::time`], so a test that pauses that time pauses this clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Time,
    start: Instant,
}

impl Clock {
    /// Creates a clock from the wall clock. A process creates one and copies it.
    pub fn set() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { wall: Time::default().after(wall), start: Instant::now() }
    }

    /// Returns the current time. It is never earlier than a time returned before.
    pub fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// Returns the time at `instant`. For instants before the clock was set, returns the time at which it was set.
    pub fn at(&self, instant: Instant) -> Time {
        self.wall.after(instant.saturating_duration_since(self.start))
    }

    /// Returns the instant of `time`, for a timer. It is at least the instant at which the clock was set, and at most
    /// thirty years later.
    pub fn instant(&self, time: Time) -> Instant {
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        self.start + time.since(self.wall).min(FAR)
    }
}

/// Returns the CPU time of the calling thread. A call takes about 0.3 microseconds.
pub(crate) fn thread_time() -> Duration {
    since_zero(ClockId::ThreadCPUTime)
}

/// Returns the CPU time of all threads of this process.
pub(crate) fn process_time() -> Duration {
    since_zero(ClockId::ProcessCPUTime)
}

fn since_zero(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_and_its_time_are_the_same_moment() {
        let clock = Clock::set();
        let start = clock.instant(clock.now());
        let later = clock.at(start + Duration::from_millis(1500));
        assert_eq!(later.since(clock.at(start)), Duration::from_millis(1500));
        assert_eq!(clock.at(clock.instant(later)), later);
    }

    #[test]
    fn times_out_of_reach_are_the_nearest_that_a_timer_takes() {
        let clock = Clock::set();
        assert!(clock.instant(Time::from_micros(u64::MAX)) > Instant::now());
        assert!(clock.instant(Time::default()) <= Instant::now());
        assert!(clock.now() >= clock.at(clock.instant(Time::default())));
    }
}
