//! Panics of Rust, of handlers and of interpreters that are embedded in it.

use std::fmt;

use super::{MESSAGE, file_and_line, one_line};

/// A panic of Rust.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Panic {
    /// One line.
    pub(super) message: String,
    file: String,
    line: u32,
}

/// The lines before the last panic, and the panic.
pub(super) fn split<'a, 'b>(lines: &'a [&'b str]) -> (&'a [&'b str], Option<Panic>) {
    let is_panic = |line: &&str| line.starts_with("thread '") && line.contains(" panicked at ");
    let Some(at) = lines.iter().rposition(is_panic) else { return (lines, None) };
    (&lines[..at], read(lines[at], &lines[at + 1..]))
}

/// `thread 'main' panicked at src/lib.rs:12:5:` and then the message; before Rust 1.73 it stood in front of the place.
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

/// Whether a line is the advice to set a variable, which no guest has.
pub(in super::super) fn is_hint(line: &str) -> bool {
    line.starts_with("note: run with `RUST_BACKTRACE")
}

impl fmt::Display for Panic {
    /// `panic: as asked (src/lib.rs:12)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {} ({}:{})", self.message, self.file, self.line)
    }
}
