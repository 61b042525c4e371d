//! Commands to a running route.

use std::time::Duration;

/// A command to a running route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start no attempt until [`Resume`](Self::Resume). Running attempts end and are acknowledged, commits continue, and
    /// received messages stay in the host: their leases are extended, and the order of a partition is kept. The source
    /// continues up to the bounds of the route. If it acknowledges each message separately, it receives one at a time, so
    /// that other hosts can take the others.
    ///
    /// A pause lasts as long as the process. A [drain](Self::Drain) ends it, because messages that cannot be handed back
    /// must be handled.
    Pause,
    /// End a pause.
    Resume,
    /// Start exactly one attempt in a pause: on the next message, or on the first one that may start from now on. Every
    /// other rule applies: order, limits, and an open circuit. Without a pause the command does nothing, and a new pause
    /// discards unused tries.
    TryOne,
    /// Stop intake, hand back messages that have not started, and finish running attempts.
    Drain {
        /// Maximum time for running attempts.
        finish: Duration,
        /// Maximum time, after that, for broker answers. Both limits together bound a stop, also if a broker is unavailable.
        flush: Duration,
    },
}
