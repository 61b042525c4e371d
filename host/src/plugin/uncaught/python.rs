//! Tracebacks of CPython.

use super::{Frame, Uncaught, one_line};

/// The panic message of componentize-py after the traceback.
pub(super) const PANIC: &str = "Python function threw an unexpected exception";

const TRACEBACK: &str = "Traceback (most recent call last):";

pub(super) fn opens(line: &str) -> bool {
    line.strip_prefix("  + Exception Group ").unwrap_or(line) == TRACEBACK
}

/// Parses a traceback: indented frames from the outermost, then the error. Of an exception group, only the group
/// itself.
pub(super) fn read(lines: &[&str]) -> Option<Uncaught> {
    let (first, rest) = lines.split_first().filter(|(first, _)| opens(first))?;
    let margin = if *first == TRACEBACK { "" } else { "  | " };
    let inner = rest.iter().map_while(|line| match *line {
        line if line.starts_with("  +-") => None,
        line => Some(line.strip_prefix(margin).unwrap_or(line)),
    });
    let inner: Vec<&str> = inner.collect();
    let end = inner.iter().position(|line| !line.is_empty() && !line.starts_with(' '))?;
    let mut frames: Vec<Frame> = inner[..end].iter().filter_map(|line| frame(line)).collect();
    frames.reverse();
    let head = inner[end];
    let (kind, message) = match head.split_once(": ") {
        Some((kind, message)) if !kind.contains(' ') => (kind, message),
        _ => (head, ""),
    };
    let message = one_line(std::iter::once(message).chain(inner[end + 1..].iter().copied()));
    Some(Uncaught::new(kind, message, frames))
}

/// Parses `  File "/1/orders.py", line 7, in handle`; `None` for frames of the SDK.
fn frame(line: &str) -> Option<Frame> {
    let (file, rest) = line.strip_prefix("  File \"")?.split_once("\", line ")?;
    let (line, function) = rest.split_once(", in ")?;
    let of_sdk = file.contains("/cofferdam_sdk/") || file.ends_with("/cofferdam_entry.py");
    (!of_sdk).then_some(Frame { function: function.into(), file: file.into(), line: line.parse().ok()? })
}
