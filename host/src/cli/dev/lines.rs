//! Prints each message on one line, and below it the outputs, or the error with message and backtrace.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};
use cofferdam_core::message::Record;

use super::super::bytes::shown;
use super::seen::{Event, Seen, next_word, place, wait};
use crate::escape::Escaped;

/// Maximum length of a shown payload or text, in characters.
const SHOWN: usize = 400;

/// Maximum number of shown outputs of a message; then only the number of the rest.
const OUTPUTS: usize = 10;

/// The style of the output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    color: bool,
}

impl Look {
    /// Returns the style for standard output: coloured on a terminal, unless `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { color: wanted && std::io::stdout().is_terminal() }
    }

    /// Returns the lines of one message.
    pub(super) fn text(self, seen: &Seen) -> String {
        let (word, color) = match seen.event {
            Event::Settled(word) => (word, if seen.failure.is_none() { AnsiColor::Green } else { AnsiColor::Red }),
            Event::GoesOn(next) => (next_word(next), AnsiColor::Yellow),
        };
        let key = seen.record.key.as_deref().map_or_else(|| "-".into(), shown);
        let mut text = format!(
            "{} {:<22} {key:<16} {}",
            self.paint(color.on_default(), &format!("{word:<11}")),
            seen.place(),
            seen.handler.as_deref().unwrap_or(&seen.route),
        );
        match &seen.failure {
            None => self.sent(seen, &mut text),
            Some(failure) => {
                let _ = write!(text, ": {} {}", failure.class, failure.code);
                if let Event::GoesOn(next) = seen.event {
                    let _ = write!(text, ", attempt {}, next in {}", seen.attempt, spoken(wait(next)));
                }
                let _ = write!(text, ": {}", cut(&Escaped(&failure.text).to_string()));
                // Shown with the first attempt and at the end.
                if seen.is_settled() || seen.attempt == 1 {
                    let _ = write!(text, "\n    {}", self.dim(&payload(seen.record.payload.as_deref())));
                    for frame in &failure.backtrace {
                        let _ = write!(text, "\n    {}", self.dim(&format!("at {}", Escaped(frame))));
                    }
                }
            }
        }
        text
    }

    /// Returns the line of a message that waits for a command.
    pub(super) fn waiting(self, record: &Record) -> String {
        let key = record.key.as_deref().map_or_else(|| "-".into(), shown);
        let word = self.paint(AnsiColor::Cyan.on_default(), &format!("{:<11}", "next"));
        format!("{word} {:<22} {key:<16} {}", place(record), self.dim(&payload(record.payload.as_deref())))
    }

    fn sent(self, seen: &Seen, text: &mut String) {
        let wall = Duration::from_micros(seen.wall_us);
        let mut places: Vec<&str> = seen.outputs.iter().map(|sent| sent.to.as_str()).collect();
        places.dedup();
        let _ = match places.as_slice() {
            [] => write!(text, ": no outputs, {}", spoken(wall)),
            [place] => write!(text, ": {} to {place}, {}", seen.outputs.len(), spoken(wall)),
            _ => write!(text, ": {} to {}, {}", seen.outputs.len(), places.join(", "), spoken(wall)),
        };
        for sent in seen.outputs.iter().take(OUTPUTS) {
            let key = sent.key.as_deref().map_or_else(|| "-".into(), |key| cut(&shown(key)));
            let line = format!("{} key {key}: {}", Escaped(&sent.to), payload(sent.payload.as_deref()));
            let _ = write!(text, "\n    {}", self.dim(&line));
        }
        if let more @ 1.. = seen.outputs.len().saturating_sub(OUTPUTS) {
            let _ = write!(text, "\n    {}", self.dim(&format!("and {more} more")));
        }
    }

    fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.into() }
    }
}

fn payload(payload: Option<&[u8]>) -> String {
    payload.map_or_else(|| "(tombstone)".into(), |payload| cut(&shown(payload)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.into(),
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
    }
}

/// Formats a duration with a suitable unit.
fn spoken(time: Duration) -> String {
    match time.as_micros() {
        0..1_000 => format!("{} us", time.as_micros()),
        1_000..1_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests;
