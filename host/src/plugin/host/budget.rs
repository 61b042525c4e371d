//! Time and host calls of one attempt.
//!
//! Wall time runs from the call to its end. CPU time is what the guest burns: it is taken from the clock of the
//! thread, around each poll of the guest's future. The first poll is taken from the wall clock instead, unless it is to
//! be exact: that costs nothing more (both ends of it are read anyway), and it is never long: at the second tick the
//! guest yields. Later polls end at the first tick that comes a millisecond after their begin. Who has surely run
//! for so long brings more ticks.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use crate::clock::thread_time;
use crate::plugin::engine::ticker::{Pulse, TICK};
use crate::plugin::limits::Limits;

/// The first tick that counts: a call that is shorter than a tick never sees one, and ends in its first poll.
pub(in crate::plugin) const FIRST_TICK: u64 = 2;

/// What a guest of ours has left, and the errors that end it when that is nothing.
#[derive(Debug)]
pub(in crate::plugin) struct Budget {
    started: Instant,
    wall_time: Duration,
    cpu_time: Duration,
    host_call_limit: u64,
    host_calls: u64,
    meter: Arc<Meter>,
}

/// Why the host ended an attempt; wrapped in the error that unwinds the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::plugin) enum Spent {
    /// Wall time.
    #[error("wall-time limit exceeded")]
    WallTime,
    /// CPU time.
    #[error("CPU-time limit exceeded")]
    CpuTime,
    /// Calls of the guest to the host.
    #[error("host-call limit exceeded")]
    HostCalls,
    /// What it was granted, which was less than it asked for.
    #[error("the handler used a capability that was not granted")]
    Grant,
}

impl Budget {
    pub(in crate::plugin) fn new(limits: &Limits, pulse: Arc<Pulse>) -> Self {
        Self {
            started: Instant::now(),
            wall_time: limits.wall_time,
            cpu_time: limits.cpu_time,
            host_call_limit: limits.host_calls,
            host_calls: 0,
            meter: Arc::new(Meter { pulse, ..Meter::default() }),
        }
    }

    /// A new attempt begins.
    pub(in crate::plugin) fn renew(&mut self, started: Instant) {
        self.started = started;
        self.host_calls = 0;
        self.meter.reset();
    }

    /// The clock that whoever polls the guest keeps.
    pub(in crate::plugin) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Counts a call of the guest to the host. `true` at the first one too many: the guest is to be stopped at
    /// once, by a tick.
    pub(in crate::plugin) fn count_host_call(&mut self) -> bool {
        self.host_calls += 1;
        self.host_calls == self.host_call_limit.saturating_add(1)
    }

    /// Calls of the guest to the host.
    pub(in crate::plugin) fn host_calls(&self) -> u64 {
        self.host_calls
    }

    /// Why an attempt ended, with the limit that it exceeded.
    pub(in crate::plugin) fn text(&self, spent: Spent) -> String {
        match spent {
            Spent::WallTime => format!("wall-time limit of {:?} exceeded", self.wall_time),
            Spent::CpuTime => format!("CPU-time limit of {:?} exceeded", self.cpu_time),
            Spent::HostCalls => format!("host-call limit of {} exceeded", self.host_call_limit),
            Spent::Grant => spent.to_string(),
        }
    }

    /// Whether there were more host calls than the limit.
    pub(in crate::plugin) fn host_calls_spent(&self) -> bool {
        self.host_calls > self.host_call_limit
    }

    /// A tick: lets other tasks run and then the guest again, or ends it.
    pub(in crate::plugin) fn tick(&self) -> Result<UpdateDeadline, Spent> {
        if self.host_calls_spent() {
            return Err(Spent::HostCalls);
        }
        let wall = self.started.elapsed();
        if wall >= self.wall_time {
            return Err(Spent::WallTime);
        }
        let cpu = self.meter.charge(wall);
        if cpu >= self.cpu_time {
            return Err(Spent::CpuTime);
        }
        // What has just waited for the host meets a tick that passed meanwhile, and has kept nobody from running.
        if self.meter.of_this_poll(cpu) < TICK {
            return Ok(UpdateDeadline::Continue(1));
        }
        // In a first poll its thread may have waited for a core; the next one will show.
        if self.meter.surely_runs_long(cpu) {
            self.meter.pulse.hurry();
        }
        Ok(UpdateDeadline::Yield(1))
    }
}

/// CPU time of one attempt. It is shared between the store, whose ticks read it, and whoever polls the guest; the
/// two never run at the same time.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Meter {
    /// Of all polls that have ended, nanoseconds.
    spent: AtomicU64,
    /// Clock of this thread at the beginning of this poll, nanoseconds; 0 during a first poll that is taken from the
    /// wall clock, and the highest
    /// value between polls, after which no time has passed.
    poll_began: AtomicU64,
    pulse: Arc<Pulse>,
}

impl Meter {
    fn reset(&self) {
        self.spent.store(0, Ordering::Relaxed);
        self.poll_began.store(0, Ordering::Relaxed);
    }

    /// A poll begins whose time is to be taken from the clock of the thread.
    pub(in crate::plugin) fn poll_begins(&self) {
        self.poll_began.store(thread_clock(), Ordering::Relaxed);
    }

    /// A poll has ended without a result, `wall` after the start of the attempt.
    pub(in crate::plugin) fn poll_ended(&self, wall: Duration) {
        let spent = self.charge(wall);
        self.spent.store(nanoseconds(spent), Ordering::Relaxed);
        self.poll_began.store(u64::MAX, Ordering::Relaxed);
    }

    /// CPU time that the guest is charged with, `wall` after the start of the attempt: never more than it burnt.
    ///
    /// In the first poll the thread may have had to wait for a core; a guest that runs is charged with no more
    /// than the time to the tick at which that poll ends.
    fn charge(&self, wall: Duration) -> Duration {
        match self.poll_began.load(Ordering::Relaxed) {
            0 => wall.min(2 * self.pulse.latest()),
            _ => self.cpu_time(wall),
        }
    }

    /// Of all that was charged, `cpu`, what this poll was.
    fn of_this_poll(&self, cpu: Duration) -> Duration {
        cpu.saturating_sub(Duration::from_nanos(self.spent.load(Ordering::Relaxed)))
    }

    /// Whether this poll has taken a tick or longer, of all that was charged or burnt, and that by the clock of the thread.
    pub(in crate::plugin) fn surely_runs_long(&self, cpu: Duration) -> bool {
        self.poll_began.load(Ordering::Relaxed) != 0 && self.of_this_poll(cpu) >= TICK
    }

    /// CPU time up to now, `wall` after the start of the attempt.
    pub(in crate::plugin) fn cpu_time(&self, wall: Duration) -> Duration {
        match self.poll_began.load(Ordering::Relaxed) {
            0 => wall,
            began => {
                let poll = thread_clock().saturating_sub(began);
                Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(poll))
            }
        }
    }
}

thread_local! {
    static EXACT: Cell<bool> = const { Cell::new(false) };
}

/// From now on CPU time of what runs on this thread is taken from its clock from the first moment on, which costs each
/// message some 0.3 microseconds. For threads that count less: there the wall clock says how long others were busy.
pub fn be_exact_on_this_thread() {
    EXACT.set(true);
}

/// Whether it is to be.
pub(in crate::plugin) fn is_exact_on_this_thread() -> bool {
    EXACT.get()
}

/// CPU time of the thread, nanoseconds; never 0.
fn thread_clock() -> u64 {
    nanoseconds(thread_time()).max(1)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_has_waited_runs_on_at_a_tick_that_passed_meanwhile() {
        let mut budget = Budget::new(&Limits::default(), Arc::default());
        budget.renew(Instant::now() - 10 * TICK);
        let lets_others_run = |budget: &Budget| matches!(budget.tick(), Ok(UpdateDeadline::Yield(1)));
        assert!(lets_others_run(&budget), "it has run for ten ticks");
        let meter = budget.meter();
        assert!(!meter.surely_runs_long(10 * TICK), "its thread may have waited for a core");
        meter.poll_ended(10 * TICK);
        meter.poll_begins();
        assert!(matches!(budget.tick(), Ok(UpdateDeadline::Continue(1))), "it has waited");
        let began = thread_clock();
        while thread_clock() - began < nanoseconds(TICK) {}
        assert!(lets_others_run(&budget), "it has run for a tick since");
        assert!(meter.surely_runs_long(meter.cpu_time(10 * TICK)), "and that is certain");
    }
}
