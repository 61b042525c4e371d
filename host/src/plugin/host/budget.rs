//! Time and host calls of one attempt.
//!
//! Wall time runs from the call of the handler to its return. CPU time is the time that the guest computes: the thread
//! clock is read around each poll of the guest's future. The first poll uses the wall clock instead, unless exact CPU
//! time is configured. That needs no further clock reads, and the error is small: the guest yields at its second tick.
//! Later polls end at the first tick that comes at least a millisecond after their begin. A guest that certainly runs
//! long makes the ticker tick faster.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cofferdam_core::outcome::{Code, Failure};
use wasmtime::UpdateDeadline;

use crate::clock::thread_time;
use crate::plugin::engine::ticker::{Pulse, TICK};
use crate::plugin::limits::{Limit, Limits};

/// The first tick at which a guest is checked. A call shorter than one tick sees no tick and ends in its first poll.
pub(in crate::plugin) const FIRST_TICK: u64 = 2;

/// The remaining time and host calls of an attempt, and the errors that end it when a limit is exceeded.
#[derive(Debug)]
pub(in crate::plugin) struct Budget {
    started: Instant,
    limits: Limits,
    host_calls: u64,
    meter: Arc<Meter>,
}

/// The reason why the host ended an attempt, wrapped in the error that unwinds the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::plugin) enum Spent {
    /// A limit on time or host calls.
    #[error("limit {} exceeded", .0.name())]
    Limit(Limit),
    /// The guest used a capability that was not granted, and the plugin is configured to fail then.
    #[error("the handler used a capability that was not granted")]
    Grant,
}

impl Budget {
    pub(in crate::plugin) fn new(limits: &Limits, pulse: Arc<Pulse>) -> Self {
        Self {
            started: Instant::now(),
            limits: limits.clone(),
            host_calls: 0,
            meter: Arc::new(Meter { pulse, ..Meter::default() }),
        }
    }

    /// Resets the budget for a new attempt.
    pub(in crate::plugin) fn renew(&mut self, started: Instant) {
        self.started = started;
        self.host_calls = 0;
        self.meter.reset();
    }

    /// Returns the CPU clock of the attempt, for the code that polls the guest.
    pub(in crate::plugin) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Counts a call of the guest to the host. Returns true at the first call over the limit: a tick must then stop the
    /// guest at once.
    pub(in crate::plugin) fn count_host_call(&mut self) -> bool {
        self.host_calls += 1;
        self.host_calls == self.limits.host_calls.saturating_add(1)
    }

    /// Returns the number of calls of the guest to the host.
    pub(in crate::plugin) fn host_calls(&self) -> u64 {
        self.host_calls
    }

    /// Returns the failure of an attempt that the host ended.
    pub(in crate::plugin) fn failure(&self, spent: Spent) -> Failure {
        match spent {
            Spent::Limit(limit) => limit.exceeded(self.limits.text(limit)),
            Spent::Grant => Failure::contract(Code::CAPABILITY_DENIED, spent.to_string()),
        }
    }

    /// Returns whether the guest made more host calls than the limit.
    pub(in crate::plugin) fn host_calls_spent(&self) -> bool {
        self.host_calls > self.limits.host_calls
    }

    /// Handles a tick of the running guest: continues it, yields to other tasks, or ends it if a limit is exceeded.
    pub(in crate::plugin) fn tick(&self) -> Result<UpdateDeadline, Spent> {
        if self.host_calls_spent() {
            return Err(Spent::Limit(Limit::HostCalls));
        }
        let wall = self.started.elapsed();
        if wall >= self.limits.wall_time {
            return Err(Spent::Limit(Limit::WallTime));
        }
        let cpu = self.meter.charge(wall);
        if cpu >= self.limits.cpu_time {
            return Err(Spent::Limit(Limit::CpuTime));
        }
        // A guest that waited in a host call sees a tick that passed meanwhile. It has not delayed other tasks, so it
        // continues.
        if self.meter.of_this_poll(cpu) < TICK {
            return Ok(UpdateDeadline::Continue(1));
        }
        // In a first poll the thread may have waited for a CPU. The next poll has an exact clock.
        if self.meter.surely_runs_long(cpu) {
            self.meter.pulse.hurry();
        }
        Ok(UpdateDeadline::Yield(1))
    }
}

/// CPU time of one attempt. The store, whose ticks read it, and the code that polls the guest share it. They never run
/// at the same time.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Meter {
    /// CPU time of all polls that have ended, in nanoseconds.
    spent: AtomicU64,
    /// Thread clock at the begin of this poll, in nanoseconds. 0 during a first poll that uses the wall clock.
    /// `u64::MAX` between polls, so that no time passes.
    poll_began: AtomicU64,
    pulse: Arc<Pulse>,
}

impl Meter {
    fn reset(&self) {
        self.spent.store(0, Ordering::Relaxed);
        self.poll_began.store(0, Ordering::Relaxed);
    }

    /// Begins a poll that is measured with the thread clock.
    pub(in crate::plugin) fn poll_begins(&self) {
        self.poll_began.store(thread_clock(), Ordering::Relaxed);
    }

    /// Ends a poll that returned no result. `wall` is the time since the start of the attempt.
    pub(in crate::plugin) fn poll_ended(&self, wall: Duration) {
        let spent = self.charge(wall);
        self.spent.store(nanoseconds(spent), Ordering::Relaxed);
        self.poll_began.store(u64::MAX, Ordering::Relaxed);
    }

    /// Returns the CPU time that counts against the limit, never more than the guest used. `wall` is the time since the
    /// start of the attempt.
    ///
    /// In the first poll the thread may have waited for a CPU. A running guest is then charged at most the time until
    /// the tick at which that poll ends.
    fn charge(&self, wall: Duration) -> Duration {
        match self.poll_began.load(Ordering::Relaxed) {
            0 => wall.min(2 * self.pulse.latest()),
            _ => self.cpu_time(wall),
        }
    }

    /// Returns the part of the charged CPU time `cpu` that belongs to this poll.
    fn of_this_poll(&self, cpu: Duration) -> Duration {
        cpu.saturating_sub(Duration::from_nanos(self.spent.load(Ordering::Relaxed)))
    }

    /// Returns whether this poll has taken at least one tick by the thread clock. `cpu` is the charged or used CPU time
    /// of the attempt.
    pub(in crate::plugin) fn surely_runs_long(&self, cpu: Duration) -> bool {
        self.poll_began.load(Ordering::Relaxed) != 0 && self.of_this_poll(cpu) >= TICK
    }

    /// Returns the CPU time until now. `wall` is the time since the start of the attempt.
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

/// Measures CPU time on this thread with the thread clock from the first poll on. This costs about 0.3 microseconds per
/// message. Use it on threads with a lower priority: there the wall clock would count the time of other threads too.
pub fn be_exact_on_this_thread() {
    EXACT.set(true);
}

/// Returns whether [`be_exact_on_this_thread`] was called on this thread.
pub(in crate::plugin) fn is_exact_on_this_thread() -> bool {
    EXACT.get()
}

/// Returns the CPU time of this thread in nanoseconds; never 0.
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
