//! Panics and fatal errors of Go.

use super::{Frame, Uncaught, file_and_line, one_line};

const KINDS: [&str; 2] = ["panic", "fatal error"];

fn kind(line: &str) -> Option<(&'static str, &str)> {
    KINDS.iter().find_map(|kind| Some((*kind, line.strip_prefix(kind)?.strip_prefix(": ")?)))
}

pub(super) fn opens(line: &str) -> bool {
    kind(line).is_some()
}

/// Parses `panic: text` and the goroutines after it. The first goroutine failed; its frames have two lines each, from
/// the innermost.
pub(super) fn read(lines: &[&str]) -> Option<Uncaught> {
    let (first, rest) = lines.split_first()?;
    let (kind, text) = kind(first)?;
    let is_goroutine = |line: &&str| line.starts_with("goroutine ") && line.ends_with("]:");
    let at = rest.iter().position(is_goroutine).unwrap_or(rest.len());
    let message = rest[..at].iter().take_while(|line| !line.is_empty()).copied();
    let message = one_line(std::iter::once(text).chain(message));
    let stack = rest.get(at + 1..).unwrap_or_default();
    let end = stack.iter().position(|line| line.is_empty() || line.starts_with("created by ")).unwrap_or(stack.len());
    let frames = stack[..end].windows(2).filter_map(|pair| frame(pair[0], pair[1])).collect();
    Some(Uncaught::new(kind, message, frames))
}

/// Parses `main.helper(0x1, ...)` and `\texample.com/orders/main.go:27 +0x2`; `None` for frames of the runtime and of
/// the SDK.
fn frame(called: &str, place: &str) -> Option<Frame> {
    let place = place.strip_prefix('\t')?;
    let (file, line) = file_and_line(place.split(" +").next()?)?;
    let function = called.strip_suffix(')').and_then(|called| Some(called.rsplit_once('(')?.0)).unwrap_or(called);
    let of_runtime = function == "panic" || function.starts_with("runtime.") || function.starts_with("cofferdam:");
    let of_sdk = function.starts_with("github.com/cofferdam/cofferdam/sdk/go");
    (!of_runtime && !of_sdk).then(|| Frame { function: function.into(), file: file.into(), line })
}
