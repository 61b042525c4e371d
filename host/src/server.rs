//! Storage servers: their addresses, their errors, and a connection to Redis.

mod address;
mod redis;
mod tls;

pub use address::Address;
pub(crate) use redis::Redis;
pub(crate) use tls::tls;

/// Why a store did not do what it was asked. The same call later may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is away, too slow, or cannot work at the moment; it heals without anybody's help or outside of the host.
    #[error("{store} is not available: {reason}")]
    Unavailable {
        /// Which one, without its password.
        store: Box<str>,
        /// What it or the system said.
        reason: Box<str>,
    },
    /// Its file is empty or damaged; a new one is not begun in its place.
    #[error("{store} is damaged: {reason}")]
    Damaged {
        /// Which one.
        store: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// It answers, and does not allow this: a password, a permission, a table of another shape.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// Which one, without its password.
        store: Box<str>,
        /// What it said.
        reason: Box<str>,
    },
}

/// An error and what is behind it, in one line: the libraries say the interesting part last.
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
