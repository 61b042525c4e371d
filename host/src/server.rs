//! Storage servers: their addresses, their errors, and a connection to Redis.

mod address;
mod redis;
mod tls;

pub use address::Address;
pub(crate) use redis::Redis;
pub(crate) use tls::tls;

/// The reason why a store did not carry out a call. The same call may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store is unreachable, too slow, or cannot work at present. It recovers by itself, or by action outside of the
    /// host.
    #[error("{store} is not available: {reason}")]
    Unavailable {
        /// The store, without its password.
        store: Box<str>,
        /// The error of the store or the system.
        reason: Box<str>,
    },
    /// The file of the store is empty or damaged. No new file is created in its place.
    #[error("{store} is damaged: {reason}")]
    Damaged {
        /// The store.
        store: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The store refuses the call: a password, a permission, a table with other columns.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// The store, without its password.
        store: Box<str>,
        /// The error of the store.
        reason: Box<str>,
    },
}

/// An error with its causes, in one line: libraries put the useful part into the last cause.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
