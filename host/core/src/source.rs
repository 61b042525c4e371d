//! What the source of a route is able to do. The machine asks for these abilities, and never which broker it is.

use std::time::Duration;

use crate::output::Layout;

/// The abilities of a source, decided once where the route is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceTraits {
    /// What one acknowledgement covers.
    pub acknowledgement: Acknowledgement,
    /// What its messages carry beside their value.
    pub layout: Layout,
    /// How leases are kept. `None`: a message is the host's until it is acknowledged or returned, or until the host has lost
    /// its connection; no clock ends that.
    pub lease: Option<Lease>,
    /// Longest delay of a returned message. `None`: a returned message comes again at once, so retries wait in the host.
    pub longest_delay: Option<Duration>,
    /// A returned message comes again before the later ones of its key that nobody has received. Without this a message of
    /// a route that keeps order is returned only where the host must not keep it.
    pub keeps_order_on_return: bool,
    /// The broker counts how often it has delivered a message. Without this attempts are known only to the host that made
    /// them, and to commits that say so.
    pub counts_deliveries: bool,
    /// How often the broker delivers a message before it moves it away (`maxReceiveCount`, `delivery-limit`); `None` without
    /// a limit. Only where it counts deliveries.
    pub max_receives: Option<u32>,
    /// Outputs and offsets can be committed in one transaction.
    pub transactions: bool,
}

/// What one acknowledgement covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Every record of a partition below an offset: the commit point waits for the first that is not settled.
    Cumulative,
    /// One message. Others may be returned one by one, and several hosts may have messages of one queue.
    Each,
}

/// How leases are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// How long one lasts before it is extended.
    pub length: Duration,
    /// How long one attempt may hold a message.
    pub attempt_limit: Duration,
}

impl Default for Lease {
    fn default() -> Self {
        Self { length: Duration::from_secs(60), attempt_limit: Duration::from_secs(900) }
    }
}

impl SourceTraits {
    /// A log of partitions, whose offsets a group commits, in a transaction with its outputs where that is wanted.
    pub const fn log() -> Self {
        Self {
            acknowledgement: Acknowledgement::Cumulative,
            layout: Layout::Record,
            lease: None,
            longest_delay: None,
            keeps_order_on_return: true,
            counts_deliveries: false,
            max_receives: None,
            transactions: true,
        }
    }

    /// A queue that leases each message, counts its deliveries, and keeps back what is returned for `longest_delay` at most.
    pub const fn leased_queue(lease: Lease, longest_delay: Duration) -> Self {
        Self {
            acknowledgement: Acknowledgement::Each,
            layout: Layout::Attributes,
            lease: Some(lease),
            longest_delay: Some(longest_delay),
            keeps_order_on_return: true,
            counts_deliveries: true,
            max_receives: None,
            transactions: false,
        }
    }

    /// Whether each message is acknowledged, and returned, for itself.
    pub fn acknowledges_each(&self) -> bool {
        self.acknowledgement == Acknowledgement::Each
    }
}
