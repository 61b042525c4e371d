//! The sink of the toy broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam::sink::{Busy, Sink, Ticket};
use cofferdam_core::event::Refusal;
use cofferdam_core::outcome::Code;
use cofferdam_core::output::Publication;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::{LARGEST, Store};

/// Writes to any queue.
pub struct Outlet {
    store: Arc<Store>,
    number: u64,
}

impl Outlet {
    /// Creates a sink to these queues.
    pub fn new(store: Arc<Store>) -> Outlet {
        let number = store.name_sink();
        Outlet { store, number }
    }

    async fn answered(&self) {
        loop {
            let answered = self.store.answered.notified();
            if self.store.unanswered(self.number) == 0 {
                return;
            }
            answered.await;
        }
    }
}

impl Sink for Outlet {
    fn publish(&self, publication: &Publication, ticket: Ticket) -> Result<(), (Ticket, Busy)> {
        let size = publication.payload.as_ref().map_or(0, Bytes::len);
        if size > LARGEST {
            let text = format!("{size} bytes, and a queue takes {LARGEST}");
            ticket.settle(Err(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text.into())));
            return Ok(());
        }
        self.store.publish(self.number, publication, ticket).map_err(|ticket| (ticket, Busy))
    }

    fn flush(&self, limit: Duration) -> BoxFuture<'_, usize> {
        async move {
            let _ = timeout(limit, self.answered()).await;
            self.store.unanswered(self.number)
        }
        .boxed()
    }

    /// The tickets of waiting publications are dropped with them, which settles them as unavailable.
    fn close(self: Box<Self>, limit: Duration) -> BoxFuture<'static, usize> {
        async move {
            self.flush(limit).await;
            0
        }
        .boxed()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.store.withdraw(self.number);
    }
}
