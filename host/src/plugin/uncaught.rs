//! Parses errors that a handler did not catch, as its language runtime reports them on standard error before it traps.
//! A report is a claim of the guest: it decides only how its own failure is described.
//!
//! Each language is a child module with a function that parses its report. Components that were built without an SDK
//! are parsed in the same way if their runtime writes a report.

mod go;
mod javascript;
mod panic;
mod python;

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::symbols::FRAMES;
use super::symbols::names::bounded;
use crate::escape::Escaped;

pub(super) use panic::{Panic, is_hint};

/// Maximum length of a stored error message in bytes.
const MESSAGE: usize = 2 << 10;

/// Prefix that the SDKs write before an error if the language itself writes no report.
const UNCAUGHT: &str = "Uncaught ";

/// The report of a guest about its end.
#[derive(Debug)]
pub(super) enum Report {
    /// An error that the handler did not catch.
    Uncaught(Uncaught),
    /// A panic in Rust.
    Panic(Panic),
}

/// An error that the handler did not catch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Uncaught {
    /// Its type, as the language names it.
    kind: String,
    /// On one line.
    message: String,
    /// From the innermost, without frames of the SDK.
    frames: Vec<Frame>,
    /// Its causes, one per line.
    causes: Vec<String>,
}

/// A frame in the handler's language.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Frame {
    function: String,
    file: String,
    line: u32,
}

/// Returns whether the line begins a report; the lines before it then do not belong to one.
pub(super) fn opens(line: &str) -> bool {
    python::opens(line) || go::opens(line) || line.starts_with(UNCAUGHT)
}

/// Parses the lines of standard error.
pub(super) fn told(lines: &[&str]) -> Option<Report> {
    let (before, panic) = panic::split(lines);
    let Some(panic) = panic else { return report(before).map(Report::Uncaught) };
    // Interpreters that are embedded in Rust panic after the handler has failed.
    let uncaught = match &*panic.message {
        message if message.starts_with(python::PANIC) => report(before),
        message if message.starts_with(javascript::PANIC) => javascript::of_engine(before, message),
        _ => None,
    };
    Some(uncaught.map_or(Report::Panic(panic), Report::Uncaught))
}

fn report(lines: &[&str]) -> Option<Uncaught> {
    python::read(lines).or_else(|| go::read(lines)).or_else(|| javascript::read(lines))
}

/// Joins lines into one, because the text of a failure is one line.
pub(super) fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Uncaught {
    fn new(kind: &str, message: String, frames: Vec<Frame>) -> Self {
        let end = message.floor_char_boundary(MESSAGE);
        let message = if end < message.len() { format!("{}...", &message[..end]) } else { message };
        Self { kind: bounded(kind), message, frames, causes: Vec::new() }
    }

    /// Returns a digest of the error type and of its frames; `None` without frames. The digest does not depend on the
    /// depth of a recursion.
    pub(super) fn place(&self) -> Option<u64> {
        let mut seen = Vec::new();
        for frame in &self.frames {
            if !seen.contains(&frame) {
                seen.push(frame);
            }
        }
        let mut hasher = DefaultHasher::new();
        (&self.kind, &seen).hash(&mut hasher);
        (!seen.is_empty()).then(|| hasher.finish())
    }

    /// Returns the frames as lines of a backtrace. Frames of the language runtime are left out, because they do not
    /// help the author.
    pub(super) fn backtrace(&self) -> Vec<Box<str>> {
        let root = self.root();
        let frames = self.frames.iter().take(FRAMES);
        let mut lines: Vec<Box<str>> = frames.map(|frame| frame.shown(root).into()).collect();
        lines.extend(self.causes.iter().map(|cause| bounded(Escaped(cause)).into()));
        lines.push("(runtime frames omitted)".into());
        lines
    }

    /// Returns the innermost frame in the author's own files, else the innermost frame.
    fn shown_frame(&self) -> Option<&Frame> {
        let root = self.root();
        let own = |frame: &&Frame| frame.file.starts_with(root) && !is_package(&frame.file);
        self.frames.iter().find(own).or(self.frames.first())
    }

    /// Returns the folder of the author's files, with a trailing slash. The handler, which is the outermost frame, is
    /// in it.
    fn root(&self) -> &str {
        let Some(file) = self.frames.last().map(|frame| &*frame.file) else { return "" };
        let folder = &file[..file.rfind('/').map_or(0, |slash| slash + 1)];
        // componentize-py mounts the folders of its module path as /0, /1 and so on.
        let mounted = file.strip_prefix('/').and_then(|path| path.split_once('/'));
        match mounted {
            Some((mount, _)) if mount.bytes().all(|byte| byte.is_ascii_digit()) => &file[..mount.len() + 2],
            Some(_) => folder,
            // A path inside the project, unless the first folder is a domain: then it is a Go module of that name.
            None if folder.split('/').next().is_some_and(|first| first.contains('.') && !first.starts_with('.')) => {
                folder
            }
            None => "",
        }
    }
}

impl fmt::Display for Uncaught {
    /// `KeyError: 'nope' (orders.py:65)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match self.shown_frame() {
            Some(frame) => write!(f, " ({}:{})", bounded(frame.path(self.root())), frame.line),
            None => Ok(()),
        }
    }
}

impl Frame {
    fn path(&self, root: &str) -> &str {
        self.file.strip_prefix(root).unwrap_or(&self.file)
    }

    fn shown(&self, root: &str) -> String {
        let mut text = bounded(Escaped(&bounded(&self.function)));
        let _ = write!(text, " at {}:{}", bounded(Escaped(self.path(root))), self.line);
        text
    }
}

impl Report {
    /// Returns the report as one line for display.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Uncaught(uncaught) => uncaught.to_string(),
            Self::Panic(panic) => panic.to_string(),
        }
    }
}

/// Returns whether the file belongs to an installed package.
fn is_package(file: &str) -> bool {
    file.contains("node_modules/") || file.contains("site-packages/") || file.contains("@v")
}

/// Splits `path:12` and `path:12:5` into path and line.
fn file_and_line(place: &str) -> Option<(&str, u32)> {
    let (before, last) = place.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match before.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?))) {
        Some((file, line)) => Some((file, line)),
        None => Some((before, last)),
    }
}

#[cfg(test)]
mod tests;
