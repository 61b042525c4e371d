//! Exactly-once: outputs and consumed offsets in one transaction.

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::output::Publication;
use futures::future::BoxFuture;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::sink::Answers;
use crate::source::Membership;

/// Transactions of one route that can begin.
pub trait Transactions: Send {
    /// Starts to carry them out. `answers` must have room for one for each [`Running::transact`].
    fn start(self: Box<Self>, answers: Sender<Answers>) -> Box<dyn Running>;
}

/// Transactions at work. Dropped, they end by themselves.
pub trait Running: Send {
    /// Carries a transaction out; answered by `Transacted`, `NotTransacted` or `Unanswered`, or not at all where this is
    /// closed before anything is known. One at a time. Never waits.
    ///
    /// # Errors
    /// The answer, where the transaction cannot begin.
    fn transact(&self, work: Work) -> Result<(), Event>;

    /// Ends when what is under way is done, and is left behind at that time.
    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, ()>;
}

/// One transaction.
#[derive(Debug)]
pub struct Work {
    /// What each delivery leads to, in the order in which it is to be written.
    pub deliveries: Vec<(DeliveryId, Vec<Publication>)>,
    /// The offsets that go along.
    pub positions: Vec<CommitPosition>,
    /// Whose they are, as of the moment when they were its own.
    pub membership: Membership,
}
