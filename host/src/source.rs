//! Where messages come from. A source turns what its broker says into the core's events and carries out the core's
//! asks; it hands over only what it was granted.

use std::any::Any;
use std::future::poll_fn;
use std::task::{Context, Poll};

use cofferdam_core::action::Ask;
use cofferdam_core::event::Event;
use futures::future::BoxFuture;
use tokio::task::coop::cooperative;
use tokio::time::Instant;

use crate::listener::Absence;

/// The source of one route.
///
/// A flow asks, polls for events, and ends it: [`stop`](Source::stop) begins a drain, [`close`](Source::close) is last.
/// Which asks come, the [`SourceTraits`](cofferdam_core::source::SourceTraits) of the route decide.
pub trait Source: Send {
    /// Takes up what the core asks; never waits.
    fn ask(&mut self, ask: Ask);

    /// The next event; `None` when the source has ended, and [`Source::close`] says why.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>>;

    /// The membership that offsets of a transaction go under; `None` while it is not known, and where there are none.
    fn membership(&self) -> Option<Membership> {
        None
    }

    /// How long the source may not read, and why; `None` while all is well. `received` is the number of records so far.
    /// To be called every few seconds.
    fn absence(&mut self, _received: u64) -> Option<Absence> {
        None
    }

    /// Receives no more messages, and goes on carrying out asks: the beginning of a drain. A source whose messages are
    /// granted one by one need not do anything.
    fn stop(&mut self) {}

    /// Whether no more messages can come after [`Source::stop`]: every receive that was under way has ended.
    fn is_dry(&self) -> bool {
        true
    }

    /// Carries out what was asked, leaves, and ends, at most until then. The error says why it had ended before, or that it
    /// did not end in time.
    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, Result<(), String>>;
}

/// The next event of a source. Nothing is lost by dropping the future.
pub async fn next(source: &mut dyn Source) -> Option<Event> {
    // It may go on for long, and other tasks of the thread have their turn too.
    cooperative(poll_fn(|context| source.poll_next(context))).await
}

/// What a source says of its membership in a group, for the transactions of the same broker.
pub struct Membership(Box<dyn Any + Send>);

impl Membership {
    /// A membership, as the broker has it.
    pub fn new(member: impl Any + Send) -> Self {
        Self(Box::new(member))
    }

    /// The membership as its broker has it; `None` where it is of another broker.
    pub fn of<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Membership")
    }
}
