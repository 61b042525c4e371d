//! Wakes the flow when the source has something for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;

/// A wake-up flag. The reader and the threads of librdkafka set it; one task waits for it.
#[derive(Debug, Default)]
pub(super) struct WakeFlag {
    set: AtomicBool,
    listener: AtomicWaker,
}

impl WakeFlag {
    /// Wakes the listener. The data must be in place before this call.
    pub(super) fn raise(&self) {
        // Only the first call wakes the listener, which then checks everything.
        if !self.set.swap(true, Ordering::AcqRel) {
            self.listener.wake();
        }
    }

    /// Notes that there may be more. For the listener itself, which needs no wake-up.
    pub(super) fn keep(&self) {
        self.set.store(true, Ordering::Release);
    }

    /// Returns whether the flag was raised since the last call. If not, the task is woken when it is raised.
    pub(super) fn take(&self, context: &Context<'_>) -> bool {
        if self.set.swap(false, Ordering::AcqRel) {
            return true;
        }
        // Register first and then check again, because the flag may have been raised in between.
        self.listener.register(context.waker());
        self.set.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn whatever_was_there_when_it_was_raised_is_seen() {
        const COUNT: u32 = 100_000;
        let (wake, made) = (Arc::new(WakeFlag::default()), Arc::new(AtomicU32::new(0)));
        let raisers = [(); 2].map(|()| {
            let (wake, made) = (Arc::clone(&wake), Arc::clone(&made));
            std::thread::spawn(move || {
                for _ in 0..COUNT {
                    made.fetch_add(1, Ordering::Relaxed);
                    wake.raise();
                }
            })
        });
        // Waits for ever if the last of them goes unheard.
        let all_seen = poll_fn(|context| {
            while wake.take(context) {
                if made.load(Ordering::Relaxed) == 2 * COUNT {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        });
        all_seen.await;
        for raiser in raisers {
            raiser.join().unwrap();
        }
    }
}
