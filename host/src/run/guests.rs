//! The threads of handlers: one runtime for quick attempts and one for long ones.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::flow::Guests;
use crate::plugin::be_exact_on_this_thread;

/// Added to the nice value of the threads for long attempts. With 10 they get about a tenth of the CPU share of other
/// threads when CPUs are scarce: they hardly delay quick attempts, and do not starve.
const NICE: i32 = 10;

/// The two runtimes. Dropping them does not wait for their tasks.
pub(super) struct Threads {
    quick: Background,
    slow: Background,
}

/// A runtime that can be dropped inside another one. Tokio panics otherwise; here nothing waits for running tasks.
struct Background(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> std::io::Result<Self> {
        let quick = Builder::new_multi_thread().thread_name("guest").enable_time().build()?;
        let slow =
            Builder::new_multi_thread().thread_name("guest-slow").enable_time().on_thread_start(step_back).build()?;
        Ok(Self { quick: Background(Some(quick)), slow: Background(Some(slow)) })
    }

    pub(super) fn handles(&self) -> Guests {
        Guests { quick: self.quick.handle(), slow: self.slow.handle() }
    }
}

impl Background {
    fn handle(&self) -> Handle {
        self.0.as_ref().expect("it goes when this is dropped").handle().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread, and measures the CPU time of handlers with the thread's clock from the start: on
/// these threads wall time includes waits for other threads. A route whose handlers turn out to be quick goes back to the
/// quick threads. If the system refuses, all threads keep the same priority.
fn step_back() {
    be_exact_on_this_thread();
    let thread = rustix::thread::gettid();
    // The step is relative, because the process itself may have been started with a lower priority.
    let step = |nice: i32| rustix::process::setpriority_process(Some(thread), (nice + NICE).min(19));
    if let Err(error) = rustix::process::getpriority_process(Some(thread)).and_then(step) {
        tracing::debug!(%error, "failed to lower the priority of long attempts");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_long_attempts_count_less() {
        let threads = Threads::start().unwrap();
        let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let handles = threads.handles();
        let on = |handle: Handle| {
            let (say, said) = std::sync::mpsc::channel();
            handle.spawn(async move { say.send(nice()).unwrap() });
            said.recv().unwrap()
        };
        let (slow, quick) = (on(handles.slow), on(handles.quick));
        assert_eq!(slow, (quick + NICE).min(19));
    }

    #[tokio::test]
    async fn they_may_be_dropped_by_a_start_that_fails() {
        drop(Threads::start().unwrap());
    }
}
