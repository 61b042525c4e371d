//! The monotonic clock of guests: it has a resolution of a millisecond, and sleeps end on time.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Host};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::plugin::engine::sleepers::Asleep;
use crate::plugin::host::capabilities::wasi::context::STEP;
use crate::plugin::host::state::{Called, HostCall, State};

/// Replaces `wasi:clocks/monotonic-clock` of wasmtime, which sleeps with tokio's timer.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, Called>(linker, State::host_call)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Host for HostCall<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(now())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(STEP))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        // Rounded up to the next step of the clock.
        let when = when.div_ceil(nanoseconds(STEP)).saturating_mul(nanoseconds(STEP));
        pollable(self.table, self.asleep, Duration::from_nanos(when.saturating_sub(now())))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        pollable(self.table, self.asleep, Duration::from_nanos(duration))
    }
}

fn pollable(
    table: &mut ResourceTable,
    asleep: &Arc<Asleep>,
    duration: Duration,
) -> wasmtime::Result<Resource<DynPollable>> {
    let due = if duration.is_zero() {
        Due::Now { yielded: false }
    } else {
        Instant::now().checked_add(duration).map_or(Due::Never, Due::At)
    };
    let alarm = table.push(Alarm { due, asleep: Arc::clone(asleep) })?;
    subscribe(table, alarm)
}

/// When a pollable becomes ready.
struct Alarm {
    due: Due,
    asleep: Arc<Asleep>,
}

enum Due {
    Now {
        yielded: bool,
    },
    At(Instant),
    /// Later than an `Instant` can represent.
    Never,
}

impl Pollable for Alarm {
    fn ready<'this, 'future>(&'this mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        match &mut self.due {
            Due::Now { yielded: true } => Box::pin(std::future::ready(())),
            // A guest that polls in a loop must let other tasks run, so that what it waits for can happen.
            Due::Now { yielded } => {
                *yielded = true;
                Box::pin(tokio::task::yield_now())
            }
            Due::At(due) => Box::pin(self.asleep.until(*due)),
            Due::Never => Box::pin(std::future::pending()),
        }
    }
}

/// Nanoseconds since about the start of the host.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let steps = u64::try_from(START.elapsed().as_nanos() / STEP.as_nanos()).unwrap_or(u64::MAX);
    // Never 0, which some runtimes take for a broken clock: Go ends with "nanotime returning zero".
    steps.saturating_add(1).saturating_mul(nanoseconds(STEP))
}

const fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}
