//! Warm instances that wait for the next message.
//!
//! Their number is the maximum number of concurrent attempts, because no instance is made while one waits. Each second, some
//! of those that were not needed are dropped, down to a minimum.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::instance::Instance;

/// Each second, one in this many unneeded instances is dropped, because dropping costs time of the ticker thread.
const SHARE: usize = 8;

/// The warm instances of one plugin. Each worker has a stack of its own, so that workers do not wait for each other and an
/// instance stays with the CPU whose cache contains its data.
pub(super) struct Idle<T = Instance> {
    stacks: Box<[Stack<T>]>,
    /// Minimum number of instances that one stack keeps.
    bound: usize,
}

/// Aligned, so that no two stacks share a cache line.
#[repr(align(128))]
struct Stack<T>(Mutex<Waiting<T>>);

struct Waiting<T> {
    instances: Vec<T>,
    /// The smallest number of waiting instances since the last check; so many were not needed.
    fewest: usize,
}

impl<T> Idle<T> {
    /// Keeps at least about `bound` instances in total, and at least one for each worker.
    pub(super) fn new(bound: usize) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let stack = |_| Stack(Mutex::new(Waiting { instances: Vec::new(), fewest: 0 }));
        Self { stacks: (0..workers).map(stack).collect(), bound: bound.div_ceil(workers).max(1) }
    }

    /// Takes the instance that this worker used last, or one of another worker whose stack is not locked.
    pub(super) fn take(&self) -> Option<T> {
        let (home, count) = (worker(), self.stacks.len());
        let own = self.stacks[home % count].lock().take();
        own.or_else(|| {
            let others = (1..count).map(|distance| &self.stacks[(home + distance) % count]);
            others.filter_map(|stack| stack.0.try_lock().ok()).find_map(|mut stack| stack.take())
        })
    }

    /// Puts `instance` back.
    pub(super) fn put(&self, instance: T) {
        self.stacks[worker() % self.stacks.len()].lock().instances.push(instance);
    }

    /// Drops all instances, and returns their number.
    fn clear(&self) -> usize {
        let clear = |stack: &Stack<T>| {
            let mut waiting = stack.lock();
            waiting.fewest = 0;
            std::mem::take(&mut waiting.instances)
        };
        self.stacks.iter().map(|stack| clear(stack).len()).sum()
    }

    /// Drops some of the instances that were not needed since the last call.
    fn tidy(&self) {
        for stack in &self.stacks {
            // Dropped after the lock is released. Those at the bottom were used longest ago.
            let dropped: Vec<T> = {
                let mut waiting = stack.lock();
                let surplus = waiting.fewest.saturating_sub(self.bound);
                waiting.fewest = waiting.instances.len() - surplus.div_ceil(SHARE);
                waiting.instances.drain(..surplus.div_ceil(SHARE)).collect()
            };
            drop(dropped);
        }
    }
}

impl<T> Stack<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiting<T> {
    fn take(&mut self) -> Option<T> {
        let instance = self.instances.pop();
        self.fewest = self.fewest.min(self.instances.len());
        instance
    }
}

/// The warm instances of all plugins.
#[derive(Default)]
pub(super) struct Warm(Mutex<Vec<Weak<Idle>>>);

impl Warm {
    /// Registers the instances of a plugin, until they are dropped elsewhere.
    pub(super) fn watch(&self, idle: &Arc<Idle>) {
        let mut all = self.lock();
        all.retain(|idle| idle.strong_count() > 0);
        all.push(Arc::downgrade(idle));
    }

    /// Drops all instances, and returns their number.
    pub(super) fn clear(&self) -> usize {
        self.lock().iter().filter_map(Weak::upgrade).map(|idle| idle.clear()).sum()
    }

    /// Drops some of the instances that were not needed since the last call.
    pub(super) fn tidy(&self) {
        // The lock is not held during the drops, so a thread that finds the pool exhausted need not wait for them.
        let all: Vec<Arc<Idle>> = self.lock().iter().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|idle| idle.tidy());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A small number for this thread.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(idle: &Idle<u32>) -> usize {
        idle.stacks.iter().map(|stack| stack.lock().instances.len()).sum()
    }

    /// Simulates `count` concurrent attempts.
    fn at_work(idle: &Idle<u32>, count: u32) {
        let taken: Vec<u32> = (0..count).map(|number| idle.take().unwrap_or(number)).collect();
        taken.into_iter().for_each(|instance| idle.put(instance));
    }

    #[test]
    fn as_many_are_kept_as_work_at_the_same_time() {
        let idle = Idle::new(4);
        for _ in 0..10 {
            at_work(&idle, 100);
            idle.tidy();
        }
        assert_eq!(waiting(&idle), 100, "none was made while one waited, and none was dropped");
    }

    #[test]
    fn those_that_nobody_needs_go_by_and_by_and_some_stay() {
        let idle = Idle::new(1);
        at_work(&idle, 100);
        idle.tidy();
        assert_eq!(waiting(&idle), 100, "all were at work since the last look");
        let mut before = 100;
        while before > 1 {
            idle.tidy();
            let now = waiting(&idle);
            assert!(now < before && now >= before - before.div_ceil(SHARE), "{before} and then {now}");
            before = now;
        }
        idle.tidy();
        assert_eq!(waiting(&idle), 1);
    }

    #[test]
    fn after_all_are_dropped_there_is_nothing_to_tidy() {
        let idle = Idle::new(1);
        at_work(&idle, 10);
        idle.tidy();
        assert_eq!(idle.clear(), 10);
        idle.tidy();
        assert_eq!(waiting(&idle), 0);
    }

    #[test]
    fn one_that_is_needed_now_and_then_stays() {
        let idle = Idle::new(1);
        for _ in 0..20 {
            at_work(&idle, 10);
            at_work(&idle, 3);
            idle.tidy();
        }
        assert_eq!(waiting(&idle), 10);
    }
}
