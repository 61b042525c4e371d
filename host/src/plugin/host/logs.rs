//! Log lines of a plugin: from `wasi:logging`, standard output and standard error.
//!
//! Each line is emitted at once as a `tracing` event with the target `plugin`, and stored for the caller of the
//! handler. Lines over the plugin's limits are dropped and counted; they fail nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::display;

use super::last_words::LastWords;
use super::spec::Spec;
use crate::escape::Escaped;
use crate::handler::{Level, LogLine, LogLines};

/// The logs of an instance, shared with its standard streams.
#[derive(Clone)]
pub(in crate::plugin) struct Sink(Arc<Mutex<Logs>>);

/// The logs of an instance.
pub(in crate::plugin) struct Logs {
    spec: Arc<Spec>,
    /// The message id, if a single message is handled.
    message: Option<Arc<str>>,
    kept: LogLines,
    bytes: usize,
    /// Lines about denials in this attempt.
    denied: usize,
    /// Text without a line break yet, per stream.
    open: [Vec<u8>; 2],
    /// Standard error of this attempt.
    words: LastWords,
    /// Standard error of the attempt that ended last.
    last_words: LastWords,
}

/// A standard stream.
#[derive(Debug, Clone, Copy)]
pub(in crate::plugin) enum Stream {
    Output,
    Error,
}

/// Maximum length of a line of a standard stream in bytes; longer lines are split.
const LINE: usize = 8 << 10;

/// Maximum number of lines about denials per attempt; the metric counts all.
const DENIALS: usize = 10;

impl Sink {
    pub(in crate::plugin) fn lock(&self) -> MutexGuard<'_, Logs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logs {
    pub(in crate::plugin) fn new(spec: Arc<Spec>) -> Self {
        let (words, last_words) = Default::default();
        Self {
            spec,
            message: None,
            kept: LogLines::default(),
            bytes: 0,
            denied: 0,
            open: Default::default(),
            words,
            last_words,
        }
    }

    pub(in crate::plugin) fn shared(self) -> Sink {
        Sink(Arc::new(Mutex::new(self)))
    }

    /// Begins an attempt with this message.
    pub(in crate::plugin) fn about(&mut self, message: Option<Arc<str>>) {
        self.message = message;
    }

    /// Logs one line.
    pub(in crate::plugin) fn line(&mut self, level: Level, context: &str, text: &str) {
        let (context, text) = (self.spec.secrets.redact(context), self.spec.secrets.redact(text));
        let (limits, bytes) = (&self.spec.limits, context.len() + text.len());
        if self.kept.lines.len() >= limits.log_lines || bytes > limits.log_bytes.saturating_sub(self.bytes) {
            self.kept.dropped += 1;
            return;
        }
        self.bytes += bytes;
        emit(level, (&self.spec.name, self.message.as_deref()), &context, &text);
        self.kept.lines.push(LogLine { level, context: context.into(), text: text.into() });
    }

    /// Logs a line of the host: the use of `capability` for `what` was denied. It does not count against the plugin's
    /// limits, which the plugin may have used up, but against [`DENIALS`].
    pub(in crate::plugin) fn denied(&mut self, capability: &'static str, what: &str) {
        if self.denied >= DENIALS {
            self.kept.dropped += 1;
            return;
        }
        self.denied += 1;
        let (plugin, what) = (&*self.spec.name, self.spec.secrets.redact(what));
        let message_id = self.message.as_deref().map(|id| display(Escaped(id)));
        tracing::warn!(
            target: "plugin", event = "capability_denied", plugin, message_id, capability, "{}", Escaped(&what)
        );
        let line = LogLine { level: Level::Warn, context: "capability_denied".into(), text: what.into() };
        self.kept.lines.push(line);
    }

    /// Adds bytes of a standard stream; a line is logged at its end.
    pub(in crate::plugin) fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        let open = &mut self.open[stream as usize];
        let mut open = std::mem::take(open);
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            // Longer than a line, so that a secret that crosses its end is complete.
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

    /// Logs a whole line, split if it is long.
    fn end_line(&mut self, stream: Stream, open: &mut Vec<u8>) {
        while open.len() > LINE {
            self.break_line(stream, open);
        }
        self.stream_line(stream, open);
        open.clear();
    }

    /// Logs the beginning of a line that is too long.
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
        let text = secrets.redact_line(&text);
        if matches!(stream, Stream::Error) {
            self.words.push(&text);
        }
        self.line(level, context, &text);
    }

    /// Returns the lines of the attempt that has ended.
    pub(in crate::plugin) fn take(&mut self) -> LogLines {
        for stream in [Stream::Output, Stream::Error] {
            let mut open = std::mem::take(&mut self.open[stream as usize]);
            if !open.is_empty() {
                self.end_line(stream, &mut open);
            }
        }
        (self.bytes, self.denied) = (0, 0);
        self.last_words = std::mem::take(&mut self.words);
        std::mem::take(&mut self.kept)
    }

    /// Returns the standard error of the attempt whose lines were taken last.
    pub(in crate::plugin) fn last_words(&mut self) -> LastWords {
        std::mem::take(&mut self.last_words)
    }
}

/// Emits an event with the target `plugin`.
fn emit(level: Level, (plugin, message): (&str, Option<&str>), context: &str, text: &str) {
    let message_id = message.map(|id| display(Escaped(id)));
    let (context, text) = (Escaped(context), Escaped(text));
    match level {
        Level::Trace => tracing::trace!(target: "plugin", plugin, message_id, %context, "{text}"),
        Level::Debug => tracing::debug!(target: "plugin", plugin, message_id, %context, "{text}"),
        Level::Info => tracing::info!(target: "plugin", plugin, message_id, %context, "{text}"),
        Level::Warn => tracing::warn!(target: "plugin", plugin, message_id, %context, "{text}"),
        Level::Error => tracing::error!(target: "plugin", plugin, message_id, %context, "{text}"),
    }
}
