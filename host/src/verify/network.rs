//! The network between the hosts and the brokers: a TCP proxy in front of each broker for each slot of the hosts.
//!
//! Clients of some brokers learn addresses from answers, so the broker's [`Exchange`](crate::broker::verify::Exchange) rewrites
//! these and a server that has no proxy yet gets one. Where a connection is encrypted no proxy can be between.

mod door;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use toml::{Table, Value};

use super::Fault;
use crate::broker::Kind;
use crate::config::Config;

/// How long bytes take each way under [`Fault::Delay`].
const DELAY: Duration = Duration::from_millis(300);

/// The network of one slot. Dropping it ends its proxies and their connections.
pub(super) struct Network {
    conditions: watch::Sender<Conditions>,
    counts: Arc<Counts>,
    /// What faults had done when the last one began.
    before: Cell<NetworkEffects>,
    /// The brokers with proxies before them, and their addresses there.
    addresses: Vec<(&'static Kind, String)>,
    _end: DropGuard,
}

/// How bytes get through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Conditions {
    /// Counts the cuts: a connection that began before the last one is reset.
    cuts: u64,
    /// New connections are reset.
    shut: bool,
    delay: Duration,
    requests_wait: bool,
    answers_wait: bool,
    loses_answers: bool,
}

/// What the faults of the network did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEffects {
    /// Connections that were reset, or refused by a reset.
    pub cut: u64,
    /// Pieces of requests and answers that were delayed.
    pub delayed: u64,
    /// Pieces of requests that were held back.
    pub requests_held: u64,
    /// Pieces of answers that were held back.
    pub answers_held: u64,
    /// Answers that were lost after the broker had done what was asked, each with its connection.
    pub answers_lost: u64,
    /// Answers with addresses of brokers that could not be read: connections may have gone past the proxies.
    pub unread: u64,
}

impl Add for NetworkEffects {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cut: self.cut + other.cut,
            delayed: self.delayed + other.delayed,
            requests_held: self.requests_held + other.requests_held,
            answers_held: self.answers_held + other.answers_held,
            answers_lost: self.answers_lost + other.answers_lost,
            unread: self.unread + other.unread,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    cut: AtomicU64,
    delayed: AtomicU64,
    requests_held: AtomicU64,
    answers_held: AtomicU64,
    answers_lost: AtomicU64,
    unread: AtomicU64,
}

impl Counts {
    fn struck(&self) -> NetworkEffects {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NetworkEffects {
            cut: count(&self.cut),
            delayed: count(&self.delayed),
            requests_held: count(&self.requests_held),
            answers_held: count(&self.answers_held),
            answers_lost: count(&self.answers_lost),
            unread: count(&self.unread),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The proxies of one slot, by the broker that they lead to.
#[derive(Clone)]
struct Doors {
    ports: Arc<Mutex<HashMap<String, u16>>>,
    conditions: watch::Receiver<Conditions>,
    counts: Arc<Counts>,
    end: CancellationToken,
}

impl Doors {
    /// The local port that leads to this server (`host:port`).
    fn to(&self, server: &str, kind: &'static Kind) -> io::Result<u16> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = ports.get(server) {
            return Ok(*port);
        }
        let port = door::open(server.to_owned(), kind, self.clone())?;
        ports.insert(server.to_owned(), port);
        Ok(port)
    }
}

/// Why no proxy can be between the hosts and some of their brokers.
pub(super) fn left_out(config: &Config) -> Vec<String> {
    config.subjects().into_iter().filter_map(|subject| subject.servers().err()).map(str::to_owned).collect()
}

/// Whether a proxy can be between the hosts and any of their brokers.
pub(super) fn possible(config: &Config) -> bool {
    config.subjects().into_iter().any(|subject| subject.servers().is_ok())
}

impl Network {
    /// Opens the proxies of one slot, where there can be any.
    ///
    /// # Errors
    /// When the system has no port.
    pub(super) fn open(config: &Config) -> io::Result<Option<Self>> {
        let (conditions, seen) = watch::channel(Conditions::default());
        let end = CancellationToken::new();
        let counts = Arc::<Counts>::default();
        let doors = Doors { ports: Arc::default(), conditions: seen, counts: Arc::clone(&counts), end: end.clone() };
        let end = end.drop_guard();
        let mut addresses = Vec::new();
        for subject in config.subjects() {
            let (kind, Ok(servers)) = (subject.kind(), subject.servers()) else { continue };
            let local = servers.iter().map(|server| doors.to(server, kind).map(local));
            addresses.push((kind, subject.address(&local.collect::<io::Result<Vec<_>>>()?)));
        }
        let any = !addresses.is_empty();
        Ok(any.then_some(Self { conditions, counts, before: Cell::default(), addresses, _end: end }))
    }

    /// The sections of a configuration, with the addresses of the proxies in place of the brokers'.
    pub(super) fn sections(&self, sections: &Table) -> Table {
        let mut sections = sections.clone();
        for (kind, address) in &self.addresses {
            if let Some(Value::Table(section)) = sections.get_mut(kind.name) {
                section.insert(kind.verify.address.key.into(), address.as_str().into());
            }
        }
        sections
    }

    /// What its faults did so far.
    pub(super) fn struck(&self) -> NetworkEffects {
        self.counts.struck()
    }

    /// Whether the last fault has met a request, an answer or a connection.
    pub(super) fn has_met(&self) -> bool {
        self.struck() != self.before.get()
    }

    /// Lets a fault of the network begin.
    pub(super) fn strike(&self, fault: Fault) {
        self.before.set(self.struck());
        self.conditions.send_modify(|conditions| match fault {
            Fault::Cut => (conditions.cuts, conditions.shut) = (conditions.cuts + 1, true),
            Fault::Delay => conditions.delay = DELAY,
            Fault::HoldRequests => conditions.requests_wait = true,
            Fault::HoldAnswers => conditions.answers_wait = true,
            Fault::LoseAnswers => conditions.loses_answers = true,
            Fault::Isolate | Fault::IsolatePastTimeouts => {
                (conditions.requests_wait, conditions.answers_wait) = (true, true)
            }
            _ => {}
        });
    }

    /// Lets everything through again; what was held back goes on first.
    pub(super) fn heal(&self) {
        self.conditions
            .send_modify(|conditions| *conditions = Conditions { cuts: conditions.cuts, ..Conditions::default() });
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[cfg(test)]
mod tests;
