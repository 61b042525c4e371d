//! The threads that handlers run on.

use tokio::runtime::Handle;

/// The threads that handlers run on.
#[derive(Debug, Clone)]
pub struct Guests {
    /// Attempts begin here, unless those of the route are mostly long.
    pub quick: Handle,
    /// And goes on here, once it has kept a thread for long.
    pub slow: Handle,
}
