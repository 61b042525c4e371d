//! Metrics and log lines of the state of a route: intake, pause, circuit breaker, stop, and a handler that is stuck.

use std::sync::Arc;

use cofferdam_core::action::{Circuit, Trip};
use cofferdam_core::route::Route;
use metrics::{Gauge, gauge};

use super::TARGET;
use super::context::shown;
use crate::listener::StuckHandler;

/// Handles of these metrics, and the state at the last call.
#[derive(Debug)]
pub(super) struct State {
    route: Arc<Route>,
    circuit: Gauge,
    holding: Gauge,
    paused: Gauge,
    /// Whether a thread was stuck in the handler at the last tick.
    stuck: bool,
}

impl State {
    pub(super) fn new(route: Arc<Route>) -> Self {
        let label = || route.name.to_string();
        Self {
            circuit: gauge!("cofferdam_circuit_open", "route" => label()),
            holding: gauge!("cofferdam_route_holding", "route" => label()),
            paused: gauge!("cofferdam_route_paused", "route" => label()),
            stuck: false,
            route,
        }
    }

    /// Sets the gauge and logs whether intake is stopped because messages wait for a destination or for the host.
    pub(super) fn holding(&self, holding: bool) {
        self.holding.set(if holding { 1.0 } else { 0.0 });
        let route = &*self.route.name;
        if holding {
            tracing::warn!(
                target: TARGET,
                event = "intake_stopped",
                route,
                "intake has stopped: messages wait for a destination or for the host, see message_nacked"
            );
        } else {
            tracing::info!(target: TARGET, event = "intake_resumed", route, "intake has resumed");
        }
    }

    /// Sets the gauge and logs whether a command has paused the route.
    pub(super) fn paused(&self, paused: bool) {
        self.paused.set(if paused { 1.0 } else { 0.0 });
        let route = &*self.route.name;
        if paused {
            tracing::info!(target: TARGET, event = "route_paused", route, "the route is paused: it starts no attempt");
        } else {
            tracing::info!(target: TARGET, event = "route_resumed", route, "the pause has ended");
        }
    }

    /// Sets the gauge and logs the state of the circuit breaker.
    pub(super) fn circuit(&self, circuit: Circuit) {
        let route = &*self.route.name;
        let open = circuit != Circuit::Closed;
        self.circuit.set(if open { 1.0 } else { 0.0 });
        let breaker = &self.route.breaker;
        let probe_after_ms = u64::try_from(breaker.probe_after.as_millis()).unwrap_or(u64::MAX);
        macro_rules! opened {
            ($what:literal, $($field:tt)*) => {
                tracing::error!(target: TARGET, event = "circuit_open", route, probe_after_ms, $($field)*, $what)
            };
        }
        match circuit {
            Circuit::Open(Trip::Failures(failures)) => {
                opened!(
                    "most first attempts failed: intake is paused, check the services that the \
                     handler depends on",
                    failures
                );
            }
            Circuit::Open(Trip::DeadLetters(dead_letters)) => {
                opened!(
                    "most messages became dead letters: intake is paused, check the latest dead letters",
                    dead_letters
                );
            }
            Circuit::Open(Trip::Probe) => {
                tracing::warn!(
                    target: TARGET,
                    event = "circuit_open",
                    route,
                    probe_after_ms,
                    "all probes failed: intake stays paused"
                );
            }
            Circuit::Probing => {
                tracing::info!(target: TARGET, event = "circuit_probing", route, "circuit breaker is probing: trying single messages")
            }
            Circuit::Closed => {
                tracing::info!(target: TARGET, event = "circuit_closed", route, "a probe succeeded: the route resumes")
            }
        }
    }

    /// Logs that the route has stopped as configured. `reason` may contain text of a guest.
    pub(super) fn stopped(&self, reason: &str) {
        let reason = shown(reason);
        let route = &*self.route.name;
        tracing::error!(target: TARGET, event = "route_stopped", route, %reason, "the route has stopped");
    }

    /// Logs once when a thread has been in the handler for too long. Logs again only after no thread was stuck.
    pub(super) fn stuck(&mut self, stuck: Option<StuckHandler<'_>>) {
        if let Some(StuckHandler { name: plugin, silent_ms }) = stuck.filter(|_| !self.stuck) {
            tracing::error!(
                target: TARGET,
                event = "handler_stuck",
                route = &*self.route.name,
                plugin,
                silent_ms,
                "a thread does not return from the handler; restart the process"
            );
        }
        self.stuck = stuck.is_some();
    }
}
