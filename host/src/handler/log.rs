//! Log lines of a handler.

use serde::Serialize;

/// A line that a handler wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The severity that the handler gave; [`Level::Info`] on standard output, [`Level::Warn`] on standard error.
    pub level: Level,
    /// The context that the handler gave; `stdout` and `stderr` for those streams.
    pub context: Box<str>,
    /// The line, without its end. It comes from the handler: show it through [`Escaped`](crate::escape::Escaped).
    pub text: Box<str>,
}

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Steps and values inside the handler.
    Trace,
    /// For debugging.
    Debug,
    /// For operators of the service.
    Info,
    /// Something is wrong, and the handler continued.
    Warn,
    /// Something failed.
    Error,
}

/// Log lines of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LogLines {
    /// The lines within the limits, in order.
    pub lines: Vec<LogLine>,
    /// Number of lines beyond the limits.
    pub dropped: u64,
}
