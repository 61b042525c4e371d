//! JavaScript errors, and the common format of the SDKs: `Uncaught TypeError: text`, then one frame per line.

use super::{Frame, UNCAUGHT, Uncaught, file_and_line, one_line};

/// The panic message of componentize-qjs when a handler throws.
pub(super) const PANIC: &str = "Failed to call '";

const FRAME: &str = "    at ";
const CAUSE: &str = "caused by: ";

/// Parses the format of the SDKs.
pub(super) fn read(lines: &[&str]) -> Option<Uncaught> {
    let first = lines.first()?.strip_prefix(UNCAUGHT)?;
    Some(error(first, &lines[1..]))
}

/// Returns the error behind a panic of the engine with `message`. The SDK has reported it before the panic; without an
/// SDK, the panic message contains text and stack.
pub(super) fn of_engine(before: &[&str], message: &str) -> Option<Uncaught> {
    if let Some(reported) = read(before) {
        return Some(reported);
    }
    let stack = quoted(message, "stack: Some(\"").unwrap_or_default();
    if stack.is_empty() {
        // The report of an SDK that did not write [`UNCAUGHT`] yet.
        let end = before.iter().rposition(|line| !line.trim().is_empty())?;
        let first = before[..=end].iter().rposition(|line| !line.starts_with(FRAME))?;
        return Some(error(before[first], &before[first + 1..=end]));
    }
    let text = quoted(message, "message: Some(\"")?;
    let lines: Vec<&str> = stack.lines().collect();
    Some(error(&format!("Error: {text}"), &lines))
}

fn error(first: &str, rest: &[&str]) -> Uncaught {
    let end = rest.iter().position(|line| line.starts_with(FRAME) || line.starts_with(CAUSE)).unwrap_or(rest.len());
    let (message, stack) = rest.split_at(end);
    let (kind, text) = match first.split_once(": ") {
        Some((kind, text)) if !kind.contains(' ') => (kind, text),
        _ => (first, ""),
    };
    let of_cause = stack.iter().position(|line| line.starts_with(CAUSE)).unwrap_or(stack.len());
    let frames = stack[..of_cause].iter().filter_map(|line| frame(line));
    // The innermost frames of an error of a custom class are its constructors.
    let frames = frames.skip_while(|frame| frame.function == kind).collect();
    let mut uncaught = Uncaught::new(kind, one_line(std::iter::once(text).chain(message.iter().copied())), frames);
    let causes = stack[of_cause..].iter().filter(|line| line.starts_with(CAUSE));
    uncaught.causes = causes.take(4).map(|cause| (*cause).to_owned()).collect();
    uncaught
}

/// Parses `    at handle (orders.js:17)`, with or without a column; `None` for built-in functions.
fn frame(line: &str) -> Option<Frame> {
    let said = line.strip_prefix(FRAME)?;
    let (function, place) = match said.strip_suffix(')').and_then(|said| said.rsplit_once(" (")) {
        Some((function, place)) => (function, place),
        None => ("<anonymous>", said),
    };
    let (file, line) = file_and_line(place)?;
    Some(Frame { function: function.into(), file: file.into(), line })
}

/// Returns the quoted text after `start`, in the debug format of Rust.
fn quoted(shown: &str, start: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = shown.split_once(start)?.1.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}
