//! Tables: every key is read by name, and a key that was not read is unknown.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use toml::de::DeTable;

use super::similar::suggest;
use super::{At, Reader, Value};

/// A table that is being read.
pub(in crate::config) struct Table<'r> {
    pub(in crate::config) reader: &'r Reader<'r>,
    inner: &'r DeTable<'r>,
    at: At,
    asked: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
    open: Cell<bool>,
}

/// Renamed keys, and their current names.
const RENAMED: [(&str, &str); 4] = [
    ("lease", "visibility_timeout; the former visibility_timeout is now max_processing_time"),
    ("in_flight", "max_in_flight"),
    ("release_limit", "revoke_timeout"),
    ("same_fault", "max_same_fault"),
];

impl<'r> Table<'r> {
    /// Calls `read` with the table, then reports every key that was not read.
    pub(super) fn read<T>(reader: &Reader<'_>, inner: &DeTable<'_>, at: At, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let table =
            Table { reader, inner, at, asked: RefCell::default(), refused: RefCell::default(), open: Cell::new(false) };
        let answer = read(&table);
        table.refuse_unknown();
        answer
    }

    /// The place of the table.
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

    /// The value of a key that is always refused. The key is not suggested in place of others.
    pub(in crate::config) fn get_refused(&self, key: &'static str) -> Option<Value<'_>> {
        let (name, value) = self.inner.get_key_value(key)?;
        self.refused.borrow_mut().push(key);
        Some(Value::new(self.reader, value, self.at.inside(key, value.span().start), name.span().start))
    }

    /// The value of `key`. A missing key is a problem, with `remedy`.
    pub(in crate::config) fn require(&self, key: &'static str, remedy: impl Display) -> Option<Value<'_>> {
        let value = self.get(key);
        if value.is_none() {
            self.reader.problem(&self.at, format!("{key:?} is missing"), remedy);
        }
        value
    }

    /// All entries of a table with user-defined keys.
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

impl Value<'_> {
    /// Reads a table; keys that `read` does not ask for are refused.
    pub(in crate::config) fn table<T>(&self, example: &str, read: impl FnOnce(&Table<'_>) -> T) -> Option<T> {
        match self.inner.as_table() {
            Some(table) => Some(Table::read(self.reader, table, self.at().clone(), read)),
            None => self.wrong_type("a table", format!("write for example {example}")),
        }
    }
}
