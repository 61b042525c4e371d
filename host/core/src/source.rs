//! Abilities of a route's source. The machine asks for these abilities, never for the broker.

use std::time::Duration;

/// The abilities of a source, decided once when the route is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceTraits {
    /// The scope of one acknowledgement.
    pub acknowledgement: Acknowledgement,
    /// The durations of leases. `None`: the host owns a message until it acknowledges or returns it, or loses the
    /// connection, without a time limit.
    pub lease: Option<Lease>,
    /// Longest delay of a returned message. `None`: the broker redelivers a returned message at once, so retries wait in the
    /// host.
    pub longest_delay: Option<Duration>,
    /// The broker redelivers a returned message before later, unreceived messages of its key. Without this ability, an
    /// ordered route returns a message only if the host must not keep it.
    pub keeps_order_on_return: bool,
    /// The broker counts the deliveries of a message. Without this ability, only the host and its commit metadata know
    /// the attempts.
    pub counts_deliveries: bool,
    /// The number of deliveries after which the broker moves a message away (`maxReceiveCount`, `delivery-limit`); `None`
    /// without a limit. Only with counted deliveries.
    pub max_receives: Option<u32>,
    /// Outputs and offsets can be committed in one transaction.
    pub transactions: bool,
}

/// The scope of one acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Every record of a partition below an offset: the commit point stays at the first unsettled record.
    Cumulative,
    /// One message. Messages can be returned one by one, and several hosts can hold messages of one queue.
    Each,
}

/// The durations of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The duration of a lease between extensions.
    pub length: Duration,
    /// The longest time that one attempt may hold a message.
    pub attempt_limit: Duration,
}

impl Default for Lease {
    fn default() -> Self {
        Self { length: Duration::from_secs(60), attempt_limit: Duration::from_secs(900) }
    }
}

impl SourceTraits {
    /// A partitioned log with offsets committed by a group, optionally in a transaction with the outputs.
    pub const fn log() -> Self {
        Self {
            acknowledgement: Acknowledgement::Cumulative,
            lease: None,
            longest_delay: None,
            keeps_order_on_return: true,
            counts_deliveries: false,
            max_receives: None,
            transactions: true,
        }
    }

    /// A queue that leases messages, counts deliveries, and delays returned messages by at most `longest_delay`.
    pub const fn leased_queue(lease: Lease, longest_delay: Duration) -> Self {
        Self {
            acknowledgement: Acknowledgement::Each,
            lease: Some(lease),
            longest_delay: Some(longest_delay),
            keeps_order_on_return: true,
            counts_deliveries: true,
            max_receives: None,
            transactions: false,
        }
    }

    /// Whether messages are acknowledged and returned one by one.
    pub fn acknowledges_each(&self) -> bool {
        self.acknowledgement == Acknowledgement::Each
    }
}
