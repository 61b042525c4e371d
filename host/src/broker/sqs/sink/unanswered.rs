//! How many publications have not been answered, for a flush to wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts publications of all queues.
#[derive(Debug, Clone)]
pub(super) struct Unanswered(Arc<watch::Sender<usize>>);

/// One publication that counts, until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Unanswered);

impl Default for Unanswered {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Unanswered {
    /// One more. To be dropped when its ticket is settled, and not before.
    pub(super) fn count(&self) -> Counted {
        self.0.send_modify(|count| *count += 1);
        Counted(self.clone())
    }

    /// Waits until there are none, at most `limit`; how many there are then.
    pub(super) async fn none(&self, limit: Duration) -> usize {
        let mut count = self.0.subscribe();
        // Its sender is here, so only the limit ends it early.
        let _ = timeout(limit, count.wait_for(|count| *count == 0)).await;
        *count.borrow()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
