//! From TOML to typed values. A problem is noted with its place and reading goes on, so that all are found.

mod environment;
mod names;
mod number;
mod place;
mod table;
mod units;
mod value;

use std::cell::RefCell;
use std::fmt::Display;

use toml::de::DeTable;

use super::problem::{Errors, Problem, in_order};
pub(super) use names::{consumer_group, identifier, queue, topic};
pub(super) use place::At;
use place::position;
pub use table::nearest;
pub(super) use table::{Table, suggest};
pub use units::duration;
pub(super) use units::{show_duration, show_size};
pub(super) use value::Value;

/// What reading needs, and what it has found so far.
pub(super) struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// Every key that was asked for, with `[]` for any index: the reference page is checked against it.
    #[cfg(test)]
    asked: RefCell<std::collections::BTreeSet<String>>,
}

/// Parses the syntax.
///
/// # Errors
/// All mistakes of syntax. What is left after one is not worth checking further.
pub(super) fn parse<'a>(origin: &str, text: &'a str) -> Result<DeTable<'a>, Errors> {
    let (root, mistakes) = DeTable::parse_recoverable(text);
    if mistakes.is_empty() {
        return Ok(root.into_inner());
    }
    let problems = mistakes.iter().map(|mistake| {
        let (line, column) = position(text, mistake.span().map_or(text.len(), |span| span.start));
        let what = format!("invalid TOML: {}", mistake.message());
        let remedy = "see https://toml.io for how tables, strings and lists are written";
        Problem { origin: origin.into(), line, column, key: "".into(), what: what.into(), remedy: remedy.into() }
    });
    Err(Errors::new(problems.collect()))
}

impl<'a> Reader<'a> {
    pub(super) fn new(origin: &'a str, text: &'a str, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            origin,
            text,
            environment,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Reads the file's own table.
    pub(super) fn root<T>(&self, root: &DeTable<'_>, read: impl FnOnce(&Table<'_>) -> T) -> T {
        Table::read(self, root, At::default(), read)
    }

    /// The warnings.
    ///
    /// # Errors
    /// All problems, if there was one.
    pub(super) fn finish(self) -> Result<Vec<Problem>, Errors> {
        let problems = self.problems.into_inner();
        if problems.is_empty() { Ok(in_order(self.warnings.into_inner())) } else { Err(Errors::new(problems)) }
    }

    /// Notes that the file is wrong at `at`.
    pub(super) fn problem(&self, at: &At, what: impl Display, remedy: impl Display) {
        self.problems.borrow_mut().push(self.at(at, what, remedy));
    }

    /// Notes that the file is probably not meant like this at `at`.
    pub(super) fn warning(&self, at: &At, what: impl Display, remedy: impl Display) {
        self.warnings.borrow_mut().push(self.at(at, what, remedy));
    }

    fn at(&self, at: &At, what: impl Display, remedy: impl Display) -> Problem {
        let (line, column) = position(self.text, at.offset);
        let (what, remedy) = (what.to_string().into(), remedy.to_string().into());
        Problem { origin: self.origin.into(), line, column, key: at.key.as_str().into(), what, remedy }
    }

    #[cfg(test)]
    fn note_asked(&self, key: &str) {
        self.asked.borrow_mut().insert(place::without_indices(key));
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> std::collections::BTreeSet<String> {
        self.asked.borrow().clone()
    }
}
