//! What a flow is made of.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::command::Command;
use cofferdam_core::route::Route;
use tokio::sync::mpsc;

use super::guests::Guests;
use crate::admin::RouteHealth;
use crate::clock::Clock;
use crate::dedupe;
use crate::handler::Slot;
use crate::listener::Listener;
use crate::sink::Sinks;
use crate::source::Source;
use crate::stage::Stage;
use crate::transactions::Transactions;

/// What a flow is made of.
pub struct Parts<H> {
    /// What the route says.
    pub route: Arc<Route>,
    /// Where its messages come from.
    pub source: Box<dyn Source>,
    /// Where its outputs, dead letters and error events go.
    pub sinks: Sinks,
    /// Who handles them.
    pub handler: Arc<Slot<H>>,
    /// The threads that handlers run on.
    pub guests: Guests,
    /// What messages pass before they are handled, in this order.
    pub stages: Vec<Arc<dyn Stage>>,
    /// The clock of the process.
    pub clock: Clock,
    /// The threads in its handler.
    pub health: Arc<RouteHealth>,
    /// What hears of it, in this order; those that must flush before an action is carried out stand first.
    pub listeners: Vec<Box<dyn Listener>>,
    /// For a route that suppresses duplicates.
    pub dedupe: Option<dedupe::Store>,
    /// For a route that has each effect exactly once.
    pub transactions: Option<Box<dyn Transactions>>,
    /// Commands from its [`RouteHandle`](crate::control::RouteHandle).
    pub commands: mpsc::Receiver<Command>,
    /// How long a stop may take.
    pub limits: Limits,
}

/// How long a stop may take: both together, whatever is away.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What runs may take this long to finish.
    pub drain: Duration,
    /// Then brokers have this long to answer, and the source to leave.
    pub flush: Duration,
}
