//! Runs a guest to its end, or to the end of its time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

use super::classify::Ending;
use crate::plugin::host::budget::{Meter, is_exact_on_this_thread};

/// Polls `call` until it ends or `wall_time` after `started` is over, and keeps `meter`.
///
/// A guest that runs is ended by the ticks, from within. The timer is for one that waits in a host call, where no
/// tick reaches it; so there is none until the first poll has ended without a result, and a short call never
/// pays for it. Nor does it pay for the clock of the thread, unless that is to be `exact`.
pub(super) async fn watch<T>(
    mut call: Pin<&mut impl Future<Output = wasmtime::Result<T>>>,
    meter: &Meter,
    started: Instant,
    wall_time: Duration,
    exact: bool,
) -> Result<T, Ending> {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    std::future::poll_fn(|context| {
        if exact || timer.is_some() || is_exact_on_this_thread() {
            meter.poll_begins();
        }
        // Unwinding leaves the store in no known state: whoever owns it drops it.
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
            Err(panic) => Poll::Ready(Err(Ending::Panic(panic))),
            Ok(Poll::Ready(result)) => Poll::Ready(result.map_err(Ending::Error)),
            Ok(Poll::Pending) => {
                meter.poll_ended(started.elapsed());
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until((started + wall_time).into())));
                timer.as_mut().poll(context).map(|()| Err(Ending::Overdue))
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::budget::be_exact_on_this_thread;

    #[tokio::test]
    async fn waiting_for_a_processor_is_no_cpu_time_where_it_is_to_be_exact() {
        const WAIT: Duration = Duration::from_millis(50);
        for exact in [true, false] {
            let (meter, started) = (Meter::default(), Instant::now());
            // As when the machine gives the thread no processor for a while, in its first poll.
            let call = std::pin::pin!(async {
                std::thread::sleep(WAIT);
                Ok(())
            });
            watch(call, &meter, started, Duration::MAX, exact).await.unwrap();
            assert_eq!(meter.cpu_time(started.elapsed()) < WAIT / 2, exact);
        }
    }

    #[tokio::test]
    async fn nor_is_it_on_a_thread_that_is_to_be_exact() {
        const WAIT: Duration = Duration::from_millis(50);
        be_exact_on_this_thread();
        let (meter, started) = (Meter::default(), Instant::now());
        let call = std::pin::pin!(async {
            std::thread::sleep(WAIT);
            Ok(())
        });
        watch(call, &meter, started, Duration::MAX, false).await.unwrap();
        assert!(meter.cpu_time(started.elapsed()) < WAIT / 2);
    }
}
