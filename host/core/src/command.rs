//! What people tell a route at work.

use std::time::Duration;

/// A command for a route at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start no attempt until [`Resume`](Self::Resume). What runs is ended and acknowledged, commits go on, and what was received
    /// stays: its leases are extended, and a partition keeps its order. The source goes on up to the bounds of the route;
    /// where it acknowledges each message it hands over one at a time, so that the others stay with other hosts.
    ///
    /// A pause lasts as long as the process. A [drain](Self::Drain) ends it, because what has nowhere to go back to is to be handled.
    Pause,
    /// End a pause.
    Resume,
    /// Start exactly one attempt in a pause: on the message whose turn it is, or on the first that may start from now on.
    /// Every other rule holds: order, limits, and a circuit that is open. Without a pause it does nothing, and a new
    /// pause forgets the ones that were not used.
    TryOne,
    /// Stop intake, hand back what has not started, and end what runs.
    Drain {
        /// What runs may take this long.
        finish: Duration,
        /// After that the answers of brokers are waited for this long, and no longer: a stop ends whatever is away.
        flush: Duration,
    },
}
