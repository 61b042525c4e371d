//! The parts that a flow is built from.

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

/// The parts that a flow is built from.
pub struct Parts<H> {
    /// The route's rules.
    pub route: Arc<Route>,
    /// The source of its messages.
    pub source: Box<dyn Source>,
    /// The sinks for its outputs, dead letters and error events.
    pub sinks: Sinks,
    /// The handler of its messages.
    pub handler: Arc<Slot<H>>,
    /// The threads that the handler runs on.
    pub guests: Guests,
    /// The stages that a message passes before the handler, in this order.
    pub stages: Vec<Arc<dyn Stage>>,
    /// The clock of the process.
    pub clock: Clock,
    /// The health of the route, including the threads that are in its handler.
    pub health: Arc<RouteHealth>,
    /// The listeners, in the order of their calls. Those that must flush before an action is carried out come first.
    pub listeners: Vec<Box<dyn Listener>>,
    /// The event-id store, for a route that suppresses duplicates.
    pub dedupe: Option<dedupe::Store>,
    /// The transactions, for a route with exactly-once delivery.
    pub transactions: Option<Box<dyn Transactions>>,
    /// Commands from its [`RouteHandle`](crate::control::RouteHandle).
    pub commands: mpsc::Receiver<Command>,
    /// The limits of a stop.
    pub limits: Limits,
}

/// The limits of a stop. A stop takes at most their sum, also if brokers don't answer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum time for running attempts to finish.
    pub drain: Duration,
    /// Maximum time, after the drain, for brokers to answer and for the source to leave.
    pub flush: Duration,
}
