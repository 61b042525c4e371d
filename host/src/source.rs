//! The trait of message sources. A source converts the results of its broker into events of the core and carries out the
//! requests ([`Ask`]) of the core. It returns only messages within the grant.

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
/// A flow sends requests, polls for events, and ends the source: [`stop`](Source::stop) starts the drain,
/// [`close`](Source::close) is the last call. The [`SourceTraits`](cofferdam_core::source::SourceTraits) of the route
/// determine which requests occur.
pub trait Source: Send {
    /// Accepts a request of the core. Never waits.
    fn ask(&mut self, ask: Ask);

    /// Polls for the next event; `None` when the source has ended. [`Source::close`] then returns the reason.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>>;

    /// The group membership for the offsets of a transaction; `None` while it is unknown, and for sources without
    /// transactions.
    fn membership(&self) -> Option<Membership> {
        None
    }

    /// How long the source has been unable to read, and why; `None` if it can read. `received` is the number of records so
    /// far. Call it every few seconds.
    fn absence(&mut self, _received: u64) -> Option<Absence> {
        None
    }

    /// Stops receiving messages at the start of a drain; requests are still carried out. A source that receives only within
    /// the grant need not do anything.
    fn stop(&mut self) {}

    /// Whether no more messages can arrive after [`Source::stop`]: every poll that was under way has ended.
    fn is_dry(&self) -> bool {
        true
    }

    /// Carries out the accepted requests, leaves the group and ends, at the latest at `until`. The error says why the source
    /// had ended before, or that it did not end in time.
    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, Result<(), String>>;
}

/// Waits for the next event of a source. The future is cancel-safe: dropping it loses nothing.
pub async fn next(source: &mut dyn Source) -> Option<Event> {
    // A source can return events for long, so the task yields to others of its thread.
    cooperative(poll_fn(|context| source.poll_next(context))).await
}

/// A source's membership in a consumer group, for transactions of the same broker.
pub struct Membership(Box<dyn Any + Send>);

impl Membership {
    /// Wraps a broker's own type of membership.
    pub fn new(member: impl Any + Send) -> Self {
        Self(Box::new(member))
    }

    /// Returns the broker's own type of membership; `None` if it belongs to another broker.
    pub fn of<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Membership")
    }
}
