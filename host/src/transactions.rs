//! Exactly-once delivery: outputs and consumed offsets in one transaction.

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::output::Publication;
use futures::future::BoxFuture;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::sink::Answers;
use crate::source::Membership;

/// The transactions of one route, before the start.
pub trait Transactions: Send {
    /// Starts the transactions. `answers` must have room for one answer for each [`Running::transact`].
    fn start(self: Box<Self>, answers: Sender<Answers>) -> Box<dyn Running>;
}

/// The running transactions of one route. They end when this is dropped.
pub trait Running: Send {
    /// Carries out a transaction, without waiting. The answer is `Transacted`, `NotTransacted` or `Unanswered`; there is
    /// none if this is closed before the result is known. Call it again only after the answer.
    ///
    /// # Errors
    /// The answer, if the transaction cannot begin.
    fn transact(&self, work: Work) -> Result<(), Event>;

    /// Waits for the running transaction, at most until `until`; after that it is abandoned.
    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, ()>;
}

/// One transaction.
#[derive(Debug)]
pub struct Work {
    /// The publications of each delivery, in the order in which they must be written.
    pub deliveries: Vec<(DeliveryId, Vec<Publication>)>,
    /// The offsets that are committed with them.
    pub positions: Vec<CommitPosition>,
    /// The membership at the time when these partitions were assigned to it.
    pub membership: Membership,
}
