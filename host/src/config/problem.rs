//! A problem of a configuration: its place, what is wrong, and the remedy.

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// A problem, or, in [`Config::warnings`](super::Config::warnings), a probable one.
///
/// Shown as `cofferdam.toml:14:1: routes[0].hanlder: unknown key; did you mean "handler"?`, and serialized as
/// `{"place": "cofferdam.toml:14:1: routes[0].hanlder", "what": "unknown key", "remedy": "did you mean ...?"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The name of the file, as given.
    pub origin: Box<str>,
    /// The line, from 1; 0 if the problem concerns the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 if the problem concerns the whole file.
    pub column: usize,
    /// The path of the key: `routes[0].retry.max_attempts`; empty for the whole file.
    pub key: Box<str>,
    /// What is wrong.
    pub what: Box<str>,
    /// The remedy.
    pub remedy: Box<str>,
}

impl Problem {
    /// A problem of the whole file.
    fn of_file(origin: &Path, what: impl Into<Box<str>>, remedy: impl Into<Box<str>>) -> Self {
        let origin = origin.display().to_string().into();
        Self { origin, line: 0, column: 0, key: "".into(), what: what.into(), remedy: remedy.into() }
    }

    /// File, line, column and key path, as far as they apply.
    pub fn place(&self) -> String {
        let mut place = self.origin.to_string();
        if self.line > 0 {
            place.push_str(&format!(":{}:{}", self.line, self.column));
        }
        if !self.key.is_empty() {
            place.push_str(": ");
            place.push_str(&self.key);
        }
        place
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place(), self.what, self.remedy)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Problem", 3)?;
        fields.serialize_field("place", &self.place())?;
        fields.serialize_field("what", &self.what)?;
        fields.serialize_field("remedy", &self.remedy)?;
        fields.end()
    }
}

/// All problems of a configuration, in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

/// Maximum number of problems shown; the rest is counted. A file of another kind can have a problem in every line.
const SHOWN: usize = 50;

impl Errors {
    /// Sorts the problems in the order of the file and removes repeated ones. `problems` must not be empty.
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(in_order(problems))
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    /// The problems as `--json` prints them, one line each: `{"error":{"place":...,"what":...,"remedy":...}}`.
    pub fn lines(&self) -> impl Iterator<Item = ErrorLine<'_>> {
        self.0.iter().map(|error| ErrorLine { error })
    }
}

/// Sorts problems in the order of the file and removes repeated ones.
pub(super) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems
}

/// A problem as `--json` prints it.
#[derive(Debug, Serialize)]
pub struct ErrorLine<'a> {
    error: &'a Problem,
}

/// One line for each problem.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Reads the text of the file.
pub(super) fn read_file(path: &Path) -> Result<String, Errors> {
    let wrong = |what: String, remedy: &str| Errors::new(vec![Problem::of_file(path, what, remedy)]);
    let unreadable = |error: std::io::Error| {
        let what = format!("failed to read the configuration: {error}");
        wrong(what, "name an existing file with --config, or run in the folder of cofferdam.toml")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(super::SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > super::SIZE_LIMIT {
        return Err(wrong("the file is larger than 1 MiB".into(), "name a configuration file with --config"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
        wrong(format!("line {line} is not UTF-8"), "save the file as UTF-8")
    })
}
