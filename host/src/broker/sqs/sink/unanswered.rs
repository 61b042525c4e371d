//! Counts unanswered publications, so that a flush can wait for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The number of unanswered publications of all queues.
#[derive(Debug, Clone)]
pub(super) struct Unanswered(Arc<watch::Sender<usize>>);

/// One counted publication. Dropping it ends the count.
#[derive(Debug)]
pub(super) struct Counted(Unanswered);

impl Default for Unanswered {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Unanswered {
    /// Counts one more publication. Drop the result after the ticket is settled, not before.
    pub(super) fn count(&self) -> Counted {
        self.0.send_modify(|count| *count += 1);
        Counted(self.clone())
    }

    /// Waits until no publication is unanswered, for at most `limit`. Returns the number of unanswered publications.
    pub(super) async fn none(&self, limit: Duration) -> usize {
        let mut count = self.0.subscribe();
        // `self` holds the sender, so the channel cannot close: only the time limit ends the wait early.
        let _ = timeout(limit, count.wait_for(|count| *count == 0)).await;
        *count.borrow()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
