//! Runs a guest until it ends or its time is over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

use super::classify::Ending;
use crate::plugin::host::budget::{Meter, is_exact_on_this_thread};

/// Polls `call` until it ends or `wall_time` after `started` is over, and updates `meter`.
///
/// A running guest is stopped by ticks. The timer is for a guest that waits in a host call, where ticks have no effect. It
/// is created only if the first poll has not completed the call, so a short call does not need one. A short call does not
/// read the thread's clock either, unless `exact` is set.
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
        // After unwinding, the state of the store is undefined, so its owner drops it.
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
            // Simulates a machine that gives the thread no CPU for a while during its first poll.
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
