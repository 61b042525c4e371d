//! Instances that wait for the next message.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::instance::Instance;

/// Instances that wait for the next message: a stack for each worker, so that workers do not wait for each other
/// and an instance stays with the core whose cache it is in.
pub(super) struct Idle {
    stacks: Box<[Stack]>,
    /// The most that one stack keeps.
    bound: usize,
}

/// Alone on its cache lines.
#[repr(align(128))]
struct Stack(Mutex<Vec<Instance>>);

impl Idle {
    /// Keeps at most about `bound` instances, and at least one for each worker.
    pub(super) fn new(bound: usize) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let stacks = (0..workers).map(|_| Stack(Mutex::default())).collect();
        Self { stacks, bound: bound.div_ceil(workers).max(1) }
    }

    /// The instance that was used last by this worker, else any that no other worker is just reaching for.
    pub(super) fn take(&self) -> Option<Instance> {
        let (home, count) = (worker(), self.stacks.len());
        let own = self.stacks[home % count].0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        own.or_else(|| {
            let others = (1..count).map(|distance| &self.stacks[(home + distance) % count]);
            others.filter_map(|stack| stack.0.try_lock().ok()).find_map(|mut stack| stack.pop())
        })
    }

    /// Drops all of them; says how many there were.
    pub(super) fn clear(&self) -> usize {
        let take = |stack: &Stack| std::mem::take(&mut *stack.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.stacks.iter().map(|stack| take(stack).len()).sum()
    }

    /// Keeps `instance`, or drops it where there are enough.
    pub(super) fn put(&self, instance: Instance) {
        let mut stack = self.stacks[worker() % self.stacks.len()].0.lock().unwrap_or_else(PoisonError::into_inner);
        if stack.len() < self.bound {
            stack.push(instance);
        } else {
            drop(stack);
            drop(instance);
        }
    }
}

/// A number of this thread, small where there are few threads.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}
