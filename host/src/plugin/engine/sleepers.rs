//! Wakes sleeping guests at the right time, more precisely than a coarse timer.
//!
//! tokio's timer has steps of a millisecond and rounds up: a sleep of one millisecond takes up to two, and all sleepers wake
//! at the same moment. So a separate thread sleeps until the first guest is due. It also uses steps, so that guests with
//! very short sleeps cannot keep it busy, but shorter ones.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{Builder, JoinHandle, Thread, park, park_timeout};
use std::time::{Duration, Instant};

/// All guests that are due within the same step are woken at its end, so a guest sleeps at most 8,000 times a second.
const STEP: Duration = Duration::from_micros(125);

/// The thread that wakes guests. The drop ends it and waits for it.
pub(in crate::plugin) struct Sleepers {
    asleep: Arc<Asleep>,
    thread: Option<JoinHandle<()>>,
}

/// The sleeping guests.
pub(in crate::plugin) struct Asleep {
    /// The start of the first step.
    began: Instant,
    alarms: Mutex<Alarms>,
    /// Number of sleeps so far, which distinguishes sleeps that are due at the same time.
    sleeps: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Alarms {
    due: BTreeMap<(Instant, u64), Waker>,
    /// The thread, which must be woken when a sleep becomes the first; `None` before it has started.
    thread: Option<Thread>,
}

/// A sleep. It begins at the first poll, and a dropped one is removed.
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
            // A panic of a waker is already reported; nothing else can be done about it.
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
    /// Sleeps until `due`, also if that has passed, and to the end of that step.
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
            // The lock is not held here, because a woken guest may sleep again at once.
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
    /// Removes all sleeps that are due at `now`, and returns them with the time of the next one.
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
        // The thread already knows a sleep that is polled again.
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
        // The lock is not held while the thread is woken, nor while a waker is dropped, which may drop the task that it
        // wakes.
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
        // The guest that begins to sleep last wakes first.
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
