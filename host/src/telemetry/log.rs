//! Log output on standard error, as text or as JSON.
//!
//! A JSON line has `timestamp` (UTC, ISO 8601 with milliseconds), `level`, `event` (if [`telemetry`](super) lists it),
//! `message`, the fields of the event, and `target`.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{MakeWriter, Subscriber};

use crate::escape;

/// The environment variable with the log filter, in the syntax of `RUST_LOG`: `info,cofferdam::delivery=debug`.
pub const VARIABLE: &str = "COFFERDAM_LOG";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: coloured on a terminal, unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// As text, and only errors by default.
    Quiet,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter is invalid.
    #[error("invalid log filter `{filter}`: {source}; expected for example `info,cofferdam::delivery=debug`")]
    Filter {
        /// The filter.
        filter: String,
        /// Why it is invalid.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging is already set up in this process, and stays as it is.
    #[error("logging is already set up")]
    Taken,
}

/// Sets up logging for the whole process. The filter is that in [`VARIABLE`], else `filter`, else the default of the
/// format: `info`, or `error` for [`Format::Quiet`].
///
/// # Errors
/// If the filter is invalid, or logging is already set up.
pub fn init(format: Format, filter: Option<&str>) -> Result<(), Error> {
    let from_environment = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    let filter = self::filter(format, from_environment.as_deref().or(filter))?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = !no_color && io::stderr().is_terminal();
    tracing::dispatcher::set_global_default(dispatch(format, filter, color, io::stderr)).map_err(|_| Error::Taken)
}

fn filter(format: Format, filter: Option<&str>) -> Result<EnvFilter, Error> {
    let default = if format == Format::Quiet { "error" } else { "info" };
    let filter = filter.unwrap_or(default);
    EnvFilter::builder().parse(filter).map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

pub(super) fn dispatch<W>(format: Format, filter: EnvFilter, color: bool, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writer = Readable { writer, json: format == Format::Json };
    let lines = Subscriber::builder().with_env_filter(filter).with_timer(Utc).with_ansi(color).with_writer(writer);
    match format {
        Format::Json => Dispatch::new(lines.json().flatten_event(true).with_current_span(false).finish()),
        Format::Text | Format::Quiet => Dispatch::new(lines.finish()),
    }
}

/// Escapes whole lines before they are written: no character controls the terminal, hides text, or changes its order.
/// The JSON formatter escapes only ASCII, and the text formatter escapes messages but not fields.
struct Readable<W> {
    writer: W,
    json: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Readable<W> {
    type Writer = Readable<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Readable { writer: self.writer.make_writer(), json: self.json }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        Readable { writer: self.writer.make_writer_for(meta), json: self.json }
    }
}

/// Each call has whole lines, because the formatter writes whole lines.
impl<W: Write> Write for Readable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !self.json || !bytes.is_ascii() => {
                let shown = if self.json { escape::json(text) } else { escape::coloured(text) };
                self.writer.write_all(shown.as_bytes())?;
                Ok(bytes.len())
            }
            _ => self.writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// UTC, ISO 8601 with milliseconds.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{:.3}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Log lines in memory.
    #[derive(Clone, Default)]
    pub(in super::super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that `act` logs.
    pub(in super::super) fn logged(format: Format, words: Option<&str>, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let dispatch = dispatch(format, filter(format, words).unwrap(), false, move || writer.clone());
        tracing::dispatcher::with_default(&dispatch, act);
        lines.text()
    }

    #[test]
    fn a_json_line_has_time_level_event_and_fields_side_by_side() {
        let text = logged(Format::Json, None, || {
            tracing::warn!(event = "message_dlq", partition = 3, "a \"quoted\" text");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["event"], "message_dlq");
        assert_eq!(line["partition"], 3);
        assert_eq!(line["message"], "a \"quoted\" text");
    }

    #[test]
    fn no_character_of_a_line_hides_or_turns_what_is_read() {
        let (text, hidden) = ("K\u{f6}ln \u{1b}[2J\u{9b}\u{202e}\u{200b}\u{61c}\u{2028}", escape::is_hidden);
        for format in [Format::Text, Format::Json] {
            let line = logged(format, None, || tracing::warn!(field = %text, "{text}"));
            assert!(line.contains("K\u{f6}ln") && !line.trim_end().contains(hidden), "{line:?}");
        }
    }

    #[test]
    fn quiet_leaves_nothing_but_errors_unless_it_is_said_otherwise() {
        let speak = || {
            tracing::info!("info");
            tracing::error!("error");
        };
        let quiet = logged(Format::Quiet, None, speak);
        assert!(quiet.contains("error") && !quiet.contains("info"), "{quiet}");
        let loud = logged(Format::Quiet, Some("info"), speak);
        assert!(loud.contains("info"), "{loud}");
    }

    #[test]
    fn a_filter_that_nobody_understands_is_named() {
        let error = filter(Format::Text, Some("cofferdam=loud")).unwrap_err();
        assert!(error.to_string().contains("`cofferdam=loud`"), "{error}");
    }
}
