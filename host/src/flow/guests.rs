//! The threads that handlers run on.

use tokio::runtime::Handle;

/// Handles of the two runtimes that handlers run on.
#[derive(Debug, Clone)]
pub struct Guests {
    /// Runs the start of each attempt, unless most attempts of the route are long.
    pub quick: Handle,
    /// Continues attempts that have used a thread for long (`LONG` in `pace.rs`).
    pub slow: Handle,
}
