//! The threads that run handlers, and how long each has been in one.
//!
//! Limits stop a running handler, and it yields its thread at each tick before. Work of the host on its behalf is bounded
//! too. A thread that nevertheless does not return is a fault of the host that needs a restart, and must be noticed: each
//! thread records the start of its work, with two stores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The number of the next owner; 0 means no owner.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The marks of all living threads that have worked for a route.
static MARKS: Mutex<Vec<Weak<Mark>>> = Mutex::new(Vec::new());

/// Marks count milliseconds from this time.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static OWN: Arc<Mark> = Mark::of_this_thread();
}

/// The current work of one thread.
#[derive(Debug, Default)]
struct Mark {
    /// The owner that the thread works for.
    owner: AtomicU64,
    /// The start of the work, in milliseconds.
    since: AtomicU64,
}

impl Mark {
    fn of_this_thread() -> Arc<Self> {
        let mark = Arc::<Self>::default();
        let mut all = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|mark| mark.strong_count() > 0);
        all.push(Arc::downgrade(&mark));
        mark
    }
}

/// An owner of work: the threads of one route.
#[derive(Debug)]
pub(super) struct Owner(u64);

/// The thread works for an owner until this is dropped.
#[must_use]
pub struct Poll(());

impl Owner {
    pub(super) fn new() -> Self {
        LazyLock::force(&BEGINNING);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Marks the current thread as working for the owner.
    pub(super) fn begin(&self) -> Poll {
        OWN.with(|mark| {
            mark.since.store(now(), Ordering::Relaxed);
            mark.owner.store(self.0, Ordering::Release);
        });
        Poll(())
    }

    /// The longest time that a thread has been working without a break.
    pub(super) fn longest(&self) -> Duration {
        let now = now();
        let marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
        let own = marks.iter().filter_map(Weak::upgrade).filter(|mark| mark.owner.load(Ordering::Acquire) == self.0);
        let longest = own.map(|mark| now.saturating_sub(mark.since.load(Ordering::Relaxed))).max();
        Duration::from_millis(longest.unwrap_or(0))
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        // If the thread is ending, its mark is gone already.
        let _ = OWN.try_with(|mark| mark.owner.store(0, Ordering::Release));
    }
}

fn now() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_does_not_come_back_is_seen_and_one_that_did_is_not() {
        let (owner, other) = (Arc::new(Owner::new()), Owner::new());
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let thread = std::thread::spawn({
            let owner = Arc::clone(&owner);
            move || {
                let _poll = owner.begin();
                begun.send(()).unwrap();
                wait.recv().unwrap();
            }
        });
        has_begun.recv().unwrap();
        let started = Instant::now();
        while owner.longest() < Duration::from_millis(20) {
            assert!(started.elapsed() < Duration::from_secs(60), "{:?}", owner.longest());
            std::thread::yield_now();
        }
        assert_eq!(other.longest(), Duration::ZERO);
        go_on.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(owner.longest(), Duration::ZERO);
    }
}
