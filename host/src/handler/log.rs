//! What a handler logs.

use serde::Serialize;

/// A line that a handler wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// How much it matters, as the handler says; [`Level::Info`] on standard output, [`Level::Warn`] on standard
    /// error.
    pub level: Level,
    /// What the handler groups its lines by; `stdout` and `stderr` for those.
    pub context: Box<str>,
    /// The line, without its end. From the handler: show it through
    /// [`Escaped`](crate::escape::Escaped).
    pub text: Box<str>,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Steps and values inside the handler.
    Trace,
    /// For somebody who looks for a bug.
    Debug,
    /// For somebody who watches the service.
    Info,
    /// Something is off and was survived.
    Warn,
    /// Something failed.
    Error,
}

/// Log lines of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LogLines {
    /// Those within the limits, in order.
    pub lines: Vec<LogLine>,
    /// How many were over them.
    pub dropped: u64,
}
