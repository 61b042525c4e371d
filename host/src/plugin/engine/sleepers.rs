//! Wakes guests that sleep when their time has come, and not at the next step of a coarse timer.
//!
//! tokio's timer goes in steps of a millisecond and rounds up: who sleeps for one millisecond gets up to two, and all that
//! sleep wake at the same moment. Here a thread of its own sleeps until the first of them is due. It too goes in steps, so
//! that guests that sleep for nearly no time cannot keep it busy, but in short ones.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{Builder, JoinHandle, Thread, park, park_timeout};
use std::time::{Duration, Instant};

/// Whoever is due within the same step is woken at its end, so no guest sleeps more than 8,000 times a second.
const STEP: Duration = Duration::from_micros(125);

/// The thread that wakes them; ends, and is waited for, when this is dropped.
pub(in crate::plugin) struct Sleepers {
    asleep: Arc<Asleep>,
    thread: Option<JoinHandle<()>>,
}

/// Those that sleep.
pub(in crate::plugin) struct Asleep {
    /// What steps are counted from.
    began: Instant,
    alarms: Mutex<Alarms>,
    /// Sleeps so far, which tells apart those that are due at the same time.
    sleeps: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Alarms {
    due: BTreeMap<(Instant, u64), Waker>,
    /// Whoever has to know when another one becomes the first; there once it has started.
    thread: Option<Thread>,
}

/// A sleep; none begins before it is polled, and one that is dropped is forgotten.
pub(in crate::plugin) struct Sleep {
    asleep: Arc<Asleep>,
    key: (Instant, u64),
}

impl Sleepers {
    pub(in crate::plugin) fn start() -> std::io::Result<Self> {
        let asleep = Arc::<Asleep>::default();
        let thread = Builder::new().name("sleepers".into()).spawn({
            let asleep = Arc::clone(&asleep);
            move || asleep.run()
        })?;
        asleep.alarms().thread = Some(thread.thread().clone());
        Ok(Self { asleep, thread: Some(thread) })
    }

    pub(in crate::plugin) fn asleep(&self) -> &Arc<Asleep> {
        &self.asleep
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        self.asleep.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A waker that panics has said so; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

impl Default for Asleep {
    fn default() -> Self {
        let (alarms, sleeps, stopped) = Default::default();
        Self { began: Instant::now(), alarms, sleeps, stopped }
    }
}

impl Asleep {
    /// Sleeps until `due`, however long that is over, and to the end of that step.
    pub(in crate::plugin) fn until(self: &Arc<Self>, due: Instant) -> Sleep {
        let due = self.end_of_step(due);
        Sleep { asleep: Arc::clone(self), key: (due, self.sleeps.fetch_add(1, Ordering::Relaxed)) }
    }

    fn end_of_step(&self, due: Instant) -> Instant {
        let over = due.saturating_duration_since(self.began).as_nanos() % STEP.as_nanos();
        let rest = if over == 0 { 0 } else { STEP.as_nanos() - over };
        due.checked_add(Duration::from_nanos(rest as u64)).unwrap_or(due)
    }

    fn run(&self) {
        while !self.stopped.load(Ordering::Acquire) {
            let now = Instant::now();
            let (woken, next) = self.alarms().ring(now);
            // Not under the lock: who is woken may sleep again at once.
            woken.into_iter().for_each(Waker::wake);
            match next {
                Some(next) => park_timeout(next.saturating_duration_since(Instant::now())),
                None => park(),
            }
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarms {
    /// All that are due at `now`, and when the next one is.
    fn ring(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut woken = Vec::new();
        while let Some(entry) = self.due.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                return (woken, Some(due));
            }
            woken.push(entry.remove());
        }
        (woken, None)
    }

    /// The thread, where it would sleep past this one, and the waker that this one takes the place of.
    fn set(&mut self, key: (Instant, u64), waker: Waker) -> (Option<Thread>, Option<Waker>) {
        let before = self.due.insert(key, waker);
        let is_first = || self.due.first_key_value().is_some_and(|(first, _)| *first == key);
        // Whose sleep is polled once more is known to the thread already.
        let sleeps_past = before.is_none() && is_first();
        (self.thread.as_ref().filter(|_| sleeps_past).cloned(), before)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { asleep, key } = &*self;
        if key.0 <= Instant::now() {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        // Not under the lock: waking who sleeps past it, and dropping a waker, which may drop all that it wakes.
        let (thread, _before) = asleep.alarms().set(*key, waker);
        if let Some(thread) = thread {
            thread.unpark();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // Dropped when the lock is no longer held, like that of [`poll`](Future::poll).
        let _waker = self.asleep.alarms().due.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_wakes_too_early_and_everybody_wakes_in_the_end() {
        let sleepers = Sleepers::start().unwrap();
        let began = Instant::now();
        // The last to sleep is the first to wake.
        let sleeps = (1..=200).rev().map(|number| {
            let due = began + Duration::from_micros(50 * number);
            let sleep = sleepers.asleep().until(due);
            tokio::spawn(async move {
                sleep.await;
                assert!(Instant::now() >= due);
            })
        });
        for sleep in sleeps.collect::<Vec<_>>() {
            sleep.await.unwrap();
        }
        assert!(sleepers.asleep().alarms().due.is_empty());
    }

    #[test]
    fn those_that_are_due_within_a_step_are_woken_together_at_its_end() {
        let asleep = Arc::<Asleep>::default();
        let due = |nanoseconds: u64| asleep.until(asleep.began + Duration::from_nanos(nanoseconds)).key.0;
        let step = STEP.as_nanos() as u64;
        assert_eq!(due(0), asleep.began);
        assert!([1, step - 1, step].iter().all(|nanoseconds| due(*nanoseconds) == asleep.began + STEP));
        assert_eq!(due(step + 1), asleep.began + 2 * STEP);
    }

    #[tokio::test]
    async fn a_sleep_that_is_given_up_is_forgotten() {
        let sleepers = Sleepers::start().unwrap();
        let mut sleep = Box::pin(sleepers.asleep().until(Instant::now() + Duration::from_secs(3600)));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(sleepers.asleep().alarms().due.len(), 1);
        drop(sleep);
        assert!(sleepers.asleep().alarms().due.is_empty());
    }
}
