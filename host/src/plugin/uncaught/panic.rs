//! Rust panics of handlers and of interpreters that are embedded in Rust.

use std::fmt;

use super::{MESSAGE, file_and_line, one_line};

/// A panic in Rust.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Panic {
    /// On one line.
    pub(super) message: String,
    file: String,
    line: u32,
}

/// Splits the lines into those before the last panic, and that panic.
pub(super) fn split<'a, 'b>(lines: &'a [&'b str]) -> (&'a [&'b str], Option<Panic>) {
    let is_panic = |line: &&str| line.starts_with("thread '") && line.contains(" panicked at ");
    let Some(at) = lines.iter().rposition(is_panic) else { return (lines, None) };
    (&lines[..at], read(lines[at], &lines[at + 1..]))
}

/// Parses `thread 'main' panicked at src/lib.rs:12:5:` and the message after it. Before Rust 1.73 the message came
/// before the location.
fn read(first: &str, rest: &[&str]) -> Option<Panic> {
    let said = first.split_once(" panicked at ")?.1;
    let is_end = |line: &&&str| {
        is_hint(line) || line.starts_with("stack backtrace:") || line.starts_with("thread caused non-unwinding panic")
    };
    let rest = rest.iter().take_while(|line| !is_end(line)).copied();
    let (message, place) = match said.strip_suffix(':') {
        Some(place) => (one_line(rest), place),
        None => {
            let (message, place) = said.rsplit_once(", ")?;
            (message.trim_matches('\'').to_owned(), place)
        }
    };
    let (file, line) = file_and_line(place)?;
    let message = message[..message.floor_char_boundary(MESSAGE)].to_owned();
    Some(Panic { message, file: file.to_owned(), line })
}

/// Returns whether the line is the hint to set `RUST_BACKTRACE`, which does not apply to guests.
pub(in super::super) fn is_hint(line: &str) -> bool {
    line.starts_with("note: run with `RUST_BACKTRACE")
}

impl fmt::Display for Panic {
    /// `panic: as asked (src/lib.rs:12)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {} ({}:{})", self.message, self.file, self.line)
    }
}
