//! Converts TOML to typed values. After a problem, reading continues, so that all problems are found.

mod environment;
mod names;
mod number;
mod place;
mod similar;
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
pub use similar::nearest;
pub(super) use similar::suggest;
pub(super) use table::Table;
pub use units::duration;
pub(super) use units::{show_duration, show_size};
pub(super) use value::Value;

/// The state of reading, with the problems found so far.
pub(super) struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// Every key that was read, with `[]` for any index. A test compares them with the reference page.
    #[cfg(test)]
    asked: RefCell<std::collections::BTreeSet<String>>,
}

/// Parses the syntax.
///
/// # Errors
/// All syntax errors. The rest of the file is not checked then.
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

    /// Reads the root table.
    pub(super) fn root<T>(&self, root: &DeTable<'_>, read: impl FnOnce(&Table<'_>) -> T) -> T {
        Table::read(self, root, At::default(), read)
    }

    /// Returns the warnings.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub(super) fn finish(self) -> Result<Vec<Problem>, Errors> {
        let problems = self.problems.into_inner();
        if problems.is_empty() { Ok(in_order(self.warnings.into_inner())) } else { Err(Errors::new(problems)) }
    }

    /// Reports a problem at `at`.
    pub(super) fn problem(&self, at: &At, what: impl Display, remedy: impl Display) {
        self.problems.borrow_mut().push(self.at(at, what, remedy));
    }

    /// Reports a warning at `at`.
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
