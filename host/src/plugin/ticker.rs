//! The thread that raises the epoch, and now and then looks after the instances that wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::Duration;

use wasmtime::EngineWeak;

use super::idle::Warm;

/// The time between two ticks: how precisely a guest is stopped, and how long it runs before others may.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Ticks between two looks at the instances that wait: about a second.
const TIDY: u32 = 1_000;

/// Raises the epoch of its engines at each [`TICK`]; ends, and is waited for, when it is dropped.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    engines: Mutex<Vec<EngineWeak>>,
    warm: Arc<Warm>,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(warm: Arc<Warm>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { engines: Mutex::default(), warm, stopped: AtomicBool::new(false) });
        let thread = Builder::new().name("epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Ticks `engine` too, for as long as somebody else keeps it.
    pub(super) fn add(&self, engine: &wasmtime::Engine) {
        self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }
}

impl Shared {
    fn run(&self) {
        for tick in (1..=TIDY).cycle() {
            if self.stopped.load(Ordering::Acquire) {
                break;
            }
            park_timeout(TICK);
            let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
            engines.iter().filter_map(EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
            drop(engines);
            if tick == TIDY {
                self.warm.tidy();
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It panics nowhere; and if it did, there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}
