//! Log lines of a plugin: from `wasi:logging`, standard output and standard error.
//!
//! Each line is passed on as a `tracing` event of target `plugin` at once, and kept for whoever called the
//! handler. Both within the plugin's limits; what is over them is dropped and counted, and fails nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Spec;
use crate::escape::Escaped;

/// A line that a guest wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// How much it matters, as the guest says; [`Level::Info`] on standard output, [`Level::Warn`] on standard
    /// error.
    pub level: Level,
    /// What the guest groups its lines by; `stdout` and `stderr` for those.
    pub context: Box<str>,
    /// The line, without its end. From the guest: show it through [`Escaped`].
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

/// The logs of an instance, shared with its standard streams.
#[derive(Clone)]
pub(super) struct Sink(Arc<Mutex<Logs>>);

/// The logs of an instance.
pub(super) struct Logs {
    spec: Arc<Spec>,
    kept: LogLines,
    bytes: usize,
    /// Lines of the host about what was not granted.
    denied: usize,
    /// What was written and has no end of line yet, per stream.
    open: [Vec<u8>; 2],
}

/// A standard stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// The longest line of a standard stream, bytes; a longer one is broken.
const LINE: usize = 8 << 10;

/// Lines about what was not granted, of one attempt; the metric has them all.
const DENIALS: usize = 10;

impl Sink {
    pub(super) fn lock(&self) -> MutexGuard<'_, Logs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    pub(super) fn new(spec: Arc<Spec>) -> Self {
        Self { spec, kept: LogLines::default(), bytes: 0, denied: 0, open: Default::default() }
    }

    pub(super) fn shared(self) -> Sink {
        Sink(Arc::new(Mutex::new(self)))
    }

    /// One line, whatever is in it.
    pub(super) fn line(&mut self, level: Level, context: &str, text: &str) {
        let (context, text) = (self.spec.secrets.redact(context), self.spec.secrets.redact(text));
        let (limits, bytes) = (&self.spec.limits, context.len() + text.len());
        if self.kept.lines.len() >= limits.log_lines || bytes > limits.log_bytes.saturating_sub(self.bytes) {
            self.kept.dropped += 1;
            return;
        }
        self.bytes += bytes;
        emit(level, &self.spec.name, &context, &text);
        self.kept.lines.push(LogLine { level, context: context.into(), text: text.into() });
    }

    /// A line of the host: `capability` was asked for `what`, and refused. Not within the plugin's limits, which it could
    /// have used up before; within [`DENIALS`].
    pub(super) fn denied(&mut self, capability: &'static str, what: &str) {
        if self.denied >= DENIALS {
            self.kept.dropped += 1;
            return;
        }
        self.denied += 1;
        let (plugin, what) = (&*self.spec.name, self.spec.secrets.redact(what));
        tracing::warn!(target: "plugin", event = "capability_denied", plugin, capability, "{}", Escaped(&what));
        let line = LogLine { level: Level::Warn, context: "capability_denied".into(), text: what.into() };
        self.kept.lines.push(line);
    }

    /// Bytes of a standard stream; a line is passed on when it ends.
    pub(super) fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        let open = &mut self.open[stream as usize];
        let mut open = std::mem::take(open);
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            // More than a line, so that a secret across its end is all there.
            let room = LINE + self.spec.secrets.reach() - open.len();
            let (piece, rest, ended) = match end {
                Some(end) if end <= room => (&bytes[..end], &bytes[end + 1..], true),
                _ if bytes.len() >= room => (&bytes[..room], &bytes[room..], false),
                _ => (bytes, &[][..], false),
            };
            let is_full = piece.len() == room && !ended;
            open.extend_from_slice(piece);
            bytes = rest;
            if is_full {
                self.break_line(stream, &mut open);
            }
            if ended {
                self.end_line(stream, &mut open);
            }
        }
        self.open[stream as usize] = open;
    }

    /// Passes on all of a line, in pieces where it is long.
    fn end_line(&mut self, stream: Stream, open: &mut Vec<u8>) {
        while open.len() > LINE {
            self.break_line(stream, open);
        }
        self.stream_line(stream, open);
        open.clear();
    }

    /// Passes on the beginning of a line that is too long.
    fn break_line(&mut self, stream: Stream, open: &mut Vec<u8>) {
        let end = self.spec.secrets.cut(open, LINE);
        self.stream_line(stream, &open[..end]);
        open.drain(..end);
    }

    fn stream_line(&mut self, stream: Stream, bytes: &[u8]) {
        let (level, context) = match stream {
            Stream::Output => (Level::Info, "stdout"),
            Stream::Error => (Level::Warn, "stderr"),
        };
        let text = String::from_utf8_lossy(bytes);
        let secrets = self.spec.secrets.clone();
        self.line(level, context, &secrets.redact_line(&text));
    }

    /// The lines of this attempt, which has ended.
    pub(super) fn take(&mut self) -> LogLines {
        for stream in [Stream::Output, Stream::Error] {
            let mut open = std::mem::take(&mut self.open[stream as usize]);
            if !open.is_empty() {
                self.end_line(stream, &mut open);
            }
        }
        (self.bytes, self.denied) = (0, 0);
        std::mem::take(&mut self.kept)
    }
}

/// As an event of target `plugin`.
fn emit(level: Level, plugin: &str, context: &str, text: &str) {
    let (context, text) = (Escaped(context), Escaped(text));
    match level {
        Level::Trace => tracing::trace!(target: "plugin", plugin, %context, "{text}"),
        Level::Debug => tracing::debug!(target: "plugin", plugin, %context, "{text}"),
        Level::Info => tracing::info!(target: "plugin", plugin, %context, "{text}"),
        Level::Warn => tracing::warn!(target: "plugin", plugin, %context, "{text}"),
        Level::Error => tracing::error!(target: "plugin", plugin, %context, "{text}"),
    }
}

impl LogLines {
    /// Why the handler died, at most 1 KiB of what went to standard error: the end, where languages say why they panic; in Go
    /// the beginning of its report, where it says it before the stacks of all goroutines.
    pub(super) fn last_words(&self) -> String {
        const WORDS: usize = 1 << 10;
        let said: Vec<&str> =
            self.lines.iter().filter(|line| &*line.context == "stderr").map(|line| &*line.text).collect();
        let mut room = WORDS;
        let mut fits = |line: &&&str| {
            let rest = room.checked_sub(line.len() + 1);
            room = rest.unwrap_or(0);
            rest.is_some()
        };
        let words: Vec<&str> = match go_report(&said) {
            Some(report) => report.iter().take_while(|line| fits(line)).copied().collect(),
            None => {
                let end = said.iter().rev().take_while(|line| fits(line)).count();
                said[said.len() - end..].to_vec()
            }
        };
        words.join("\n").trim().into()
    }
}

/// What the runtime of Go says when it ends: the reason, and behind it the goroutines.
fn go_report<'a, 'b>(said: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let is_reason = |line: &&str| line.starts_with("fatal error: ") || line.starts_with("panic: ");
    let stacks = said.iter().position(|line| line.starts_with("goroutine "))?;
    let reason = said[..stacks].iter().rposition(is_reason)?;
    Some(&said[reason..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_words(said: &[String]) -> String {
        let line = |text: &String| LogLine { level: Level::Warn, context: "stderr".into(), text: text.as_str().into() };
        LogLines { lines: said.iter().map(line).collect(), dropped: 0 }.last_words()
    }

    #[test]
    fn the_last_words_of_a_handler_are_why_it_died() {
        let stacks = (1..50).map(|number| format!("goroutine {number} [select (no cases)]:\nmain.wait()"));
        for reason in ["fatal error: all goroutines are asleep - deadlock!", "panic: out of tea"] {
            let said = ["panic: no, not yet", reason, ""].map(ToOwned::to_owned).into_iter().chain(stacks.clone());
            let words = last_words(&said.collect::<Vec<_>>());
            assert!(words.starts_with(&format!("{reason}\n\ngoroutine 1 ")) && words.len() <= 1 << 10, "{words}");
        }
        // Everywhere else the reason is at the end.
        let said: Vec<String> = (0..100).map(|number| format!("line {number} of the report")).collect();
        let words = last_words(&[vec!["panic: not of Go".to_owned()], said].concat());
        assert!(words.ends_with("line 99 of the report") && !words.contains("not of Go"), "{words}");
    }
}
