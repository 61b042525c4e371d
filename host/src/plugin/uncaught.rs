//! Errors that a handler did not catch, as the runtime of its language reports them on standard error before it traps. What
//! is read here is a guest's claim: it chooses how its own failure is called, and nothing else.
//!
//! A language is a child module with one function that reads its report. Components that were made without an SDK are
//! read alike, where their runtime reports.

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

/// The longest message of an error that is kept, bytes.
const MESSAGE: usize = 2 << 10;

/// What the SDKs write in front of an error whose language has no report of its own.
const UNCAUGHT: &str = "Uncaught ";

/// Why a guest ended, in its own words.
#[derive(Debug)]
pub(super) enum Told {
    /// An error that the handler did not catch.
    Uncaught(Uncaught),
    /// A panic of Rust.
    Panic(Panic),
}

/// An error that the handler did not catch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Uncaught {
    /// Its type, as its language names it.
    kind: String,
    /// One line.
    message: String,
    /// Innermost first, without those of the SDK.
    frames: Vec<Frame>,
    /// What it was caused by, a line each.
    causes: Vec<String>,
}

/// A frame of the handler's own language.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Frame {
    function: String,
    file: String,
    line: u32,
}

/// Whether a line begins a report, so that the lines before it are not part of one.
pub(super) fn opens(line: &str) -> bool {
    python::opens(line) || go::opens(line) || line.starts_with(UNCAUGHT)
}

/// What the lines of standard error say about the end of the guest.
pub(super) fn told(lines: &[&str]) -> Option<Told> {
    let (before, panic) = panic::split(lines);
    let Some(panic) = panic else { return report(before).map(Told::Uncaught) };
    // Interpreters that are embedded in Rust panic when the handler has failed.
    let uncaught = match &*panic.message {
        message if message.starts_with(python::PANIC) => report(before),
        message if message.starts_with(javascript::PANIC) => javascript::of_engine(before, message),
        _ => None,
    };
    Some(uncaught.map_or(Told::Panic(panic), Told::Uncaught))
}

fn report(lines: &[&str]) -> Option<Uncaught> {
    python::read(lines).or_else(|| go::read(lines)).or_else(|| javascript::read(lines))
}

/// Lines as one: people read the text of a failure as one line.
pub(super) fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Uncaught {
    fn new(kind: &str, message: String, frames: Vec<Frame>) -> Self {
        let end = message.floor_char_boundary(MESSAGE);
        let message = if end < message.len() { format!("{}...", &message[..end]) } else { message };
        Self { kind: bounded(kind), message, frames, causes: Vec::new() }
    }

    /// A digest of its type and of the places it went through. `None` where no place is known. A recursion is the same
    /// however deep it was.
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

    /// The frames as lines of a backtrace. Those of the language's runtime say nothing to the author.
    pub(super) fn backtrace(&self) -> Vec<Box<str>> {
        let root = self.root();
        let frames = self.frames.iter().take(FRAMES);
        let mut lines: Vec<Box<str>> = frames.map(|frame| frame.shown(root).into()).collect();
        lines.extend(self.causes.iter().map(|cause| bounded(Escaped(cause)).into()));
        lines.push("(runtime frames omitted)".into());
        lines
    }

    /// The innermost frame in the author's own files; where there is none, the innermost.
    fn shown_frame(&self) -> Option<&Frame> {
        let root = self.root();
        let own = |frame: &&Frame| frame.file.starts_with(root) && !is_package(&frame.file);
        self.frames.iter().find(own).or(self.frames.first())
    }

    /// The folder of the author's files, with its slash: that of the handler, which is the outermost frame.
    fn root(&self) -> &str {
        let Some(file) = self.frames.last().map(|frame| &*frame.file) else { return "" };
        let folder = &file[..file.rfind('/').map_or(0, |slash| slash + 1)];
        // componentize-py mounts the folders of its module path as /0, /1 and so on.
        let mounted = file.strip_prefix('/').and_then(|path| path.split_once('/'));
        match mounted {
            Some((mount, _)) if mount.bytes().all(|byte| byte.is_ascii_digit()) => &file[..mount.len() + 2],
            Some(_) => folder,
            // A path in the project; but one that begins with a domain is in a Go module of that name.
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

impl Told {
    /// One line for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Uncaught(uncaught) => uncaught.to_string(),
            Self::Panic(panic) => panic.to_string(),
        }
    }
}

/// Whether a file was installed, and not written by the author.
fn is_package(file: &str) -> bool {
    file.contains("node_modules/") || file.contains("site-packages/") || file.contains("@v")
}

/// `path:12` and `path:12:5`, as path and line.
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
