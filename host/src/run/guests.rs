//! The threads for handlers: some for quick attempts, some for long ones.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::flow::Guests;
use crate::plugin::be_exact_on_this_thread;

/// How much less the threads of long attempts count where the processor is not enough for all: with 10 about a tenth of
/// the others, so they hardly hold quick ones up, and do not starve.
const NICE: i32 = 10;

/// Two runtimes. Dropped without waiting.
pub(super) struct Threads {
    quick: Background,
    slow: Background,
}

/// A runtime that may be dropped inside another, which tokio refuses: nothing waits for what runs on it.
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

/// Lets the threads of others go first, and does not take the time that those have for that of handlers here: a route whose
/// handlers are quick after all goes back. Where the system refuses, all count the same.
fn step_back() {
    be_exact_on_this_thread();
    let thread = rustix::thread::gettid();
    // From where the process stands: it may have been started with a lower priority itself.
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
