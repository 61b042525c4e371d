//! Tables: every key is asked for by name, and what nobody asked for is unknown.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use toml::de::DeTable;

use super::{At, Reader, Value};

/// A table while it is read.
pub(in crate::config) struct Table<'r> {
    pub(in crate::config) reader: &'r Reader<'r>,
    inner: &'r DeTable<'r>,
    at: At,
    asked: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
    open: Cell<bool>,
}

/// Keys that were called otherwise before, and what they are called now.
const RENAMED: [(&str, &str); 4] = [
    ("lease", "visibility_timeout; the former visibility_timeout is now max_processing_time"),
    ("in_flight", "max_in_flight"),
    ("release_limit", "revoke_timeout"),
    ("same_fault", "max_same_fault"),
];

/// How alike two names have to be for one to be taken for the other, 0 to 1.
const ALIKE: f64 = 0.8;

impl<'r> Table<'r> {
    /// Has `read` read the table, then reports every key that was not asked for.
    pub(super) fn read<T>(reader: &Reader<'_>, inner: &DeTable<'_>, at: At, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let table =
            Table { reader, inner, at, asked: RefCell::default(), refused: RefCell::default(), open: Cell::new(false) };
        let answer = read(&table);
        table.refuse_unknown();
        answer
    }

    /// Where the table begins.
    pub(in crate::config) fn at(&self) -> &At {
        &self.at
    }

    /// The value of `key`, if there is one.
    pub(in crate::config) fn get(&self, key: &'static str) -> Option<Value<'_>> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
        }
        #[cfg(test)]
        self.reader.note_asked(&self.at.inside(key, 0).key);
        let (name, value) = self.inner.get_key_value(key)?;
        Some(Value::new(self.reader, value, self.at.inside(key, value.span().start), name.span().start))
    }

    /// The value of a key that is only known to be refused: it is not offered in place of another.
    pub(in crate::config) fn get_refused(&self, key: &'static str) -> Option<Value<'_>> {
        let (name, value) = self.inner.get_key_value(key)?;
        self.refused.borrow_mut().push(key);
        Some(Value::new(self.reader, value, self.at.inside(key, value.span().start), name.span().start))
    }

    /// The value of `key`; that there is none is a problem, with `remedy`.
    pub(in crate::config) fn require(&self, key: &'static str, remedy: impl Display) -> Option<Value<'_>> {
        let value = self.get(key);
        if value.is_none() {
            self.reader.problem(&self.at, format!("{key:?} is missing"), remedy);
        }
        value
    }

    /// All entries, of a table whose keys are the user's own.
    pub(in crate::config) fn entries(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.open.set(true);
        self.inner.iter().map(|(name, value)| {
            let at = self.at.inside(name.get_ref(), value.span().start);
            (&**name.get_ref(), Value::new(self.reader, value, at, name.span().start))
        })
    }

    fn refuse_unknown(&self) {
        let asked = self.asked.borrow();
        if self.open.get() {
            return;
        }
        for name in self.inner.keys() {
            let key = &**name.get_ref();
            if !asked.contains(&key) && !self.refused.borrow().contains(&key) {
                let at = self.at.inside(key, name.span().start);
                match RENAMED.iter().find(|(old, new)| *old == key && asked.iter().any(|known| new.starts_with(known)))
                {
                    Some((_, new)) => self.reader.problem(&at, "this key was renamed", format!("write {new}")),
                    None => self.reader.problem(&at, "unknown key", suggest(key, &asked)),
                }
            }
        }
    }
}

/// `did you mean ...?`, or all known names.
pub(in crate::config) fn suggest(given: &str, known: &[&str]) -> String {
    match nearest(&given.replace('-', "_"), known.iter().copied()) {
        Some(best) => format!("did you mean {best:?}?"),
        None if known.len() == 1 => format!("expected {}", known[0]),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// All words that the key takes, and the one that `given` resembles.
pub(super) fn one_of(given: &str, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let all = format!("expected one of {}", quoted.join(", "));
    match nearest(&given.replace([' ', '-'], "_"), words.iter().copied()) {
        Some(best) => format!("{all}; did you mean {best:?}?"),
        None => all,
    }
}

/// The name that was probably meant by one that is not known, if one is alike.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let score = |known: &str| {
        let score = strsim::jaro_winkler(&given, known).max(strsim::normalized_damerau_levenshtein(&given, known));
        // In a short name one slip is a large part: `scr`.
        let one_slip = known.len() >= 3 && strsim::damerau_levenshtein(&given, known) == 1;
        if one_slip { score.max(ALIKE) } else { score }
    };
    let best = known.into_iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) >= ALIKE).then_some(best)
}
