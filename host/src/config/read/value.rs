//! Values, with problems that say what was expected.

use std::fmt::Display;

use toml::Spanned;
use toml::de::DeValue;

use super::environment::{self, expand};
use super::similar::one_of;
use super::{At, Reader};

/// A value that is being read. A method that returns `None` has reported the problem.
pub(in crate::config) struct Value<'r> {
    pub(super) reader: &'r Reader<'r>,
    pub(super) inner: &'r DeValue<'r>,
    at: At,
    key_at: At,
}

impl<'r> Value<'r> {
    pub(super) fn new(reader: &'r Reader<'r>, value: &'r Spanned<DeValue<'r>>, at: At, key_offset: usize) -> Self {
        let key_at = At { offset: key_offset, key: at.key.clone() };
        Self { reader, inner: value.get_ref(), at, key_at }
    }

    /// The place of the value.
    pub(in crate::config) fn at(&self) -> &At {
        &self.at
    }

    /// Reports that the value is invalid.
    pub(in crate::config) fn problem(&self, what: impl Display, remedy: impl Display) {
        self.reader.problem(&self.at, what, remedy);
    }

    /// Reports that the key is not allowed here.
    pub(in crate::config) fn refuse(&self, what: impl Display, remedy: impl Display) {
        self.reader.problem(&self.key_at, what, remedy);
    }

    /// Reports that the value has another type than `expected`.
    pub(super) fn wrong_type<T>(&self, expected: &str, remedy: impl Display) -> Option<T> {
        self.problem(format!("expected {expected}, found {}", self.kind()), remedy);
        None
    }

    /// The name of the type, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self.inner {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// A scalar as in the file, with variables expanded.
    pub(super) fn shown(&self) -> String {
        match self.inner {
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::String(raw) => match expand(raw, self.reader.environment) {
                Ok((text, _)) => format!("{text:?}"),
                Err(_) => format!("{raw:?}"),
            },
            _ => self.kind().to_owned(),
        }
    }

    /// Returns whether the value is a string.
    pub(in crate::config) fn is_string(&self) -> bool {
        self.inner.is_str()
    }

    /// Returns whether the value is a whole number.
    pub(in crate::config) fn is_integer(&self) -> bool {
        self.inner.is_integer()
    }

    /// Returns whether the value is a table.
    pub(in crate::config) fn is_table(&self) -> bool {
        self.inner.is_table()
    }

    /// The value of the environment variable that this string names.
    pub(in crate::config) fn variable_named(&self, example: &str) -> Option<String> {
        let name = self.full_text(example)?;
        let value = (self.reader.environment)(&name);
        if value.is_none() {
            self.problem(format!("environment variable `{name}` is not set"), "set it, or correct its name");
        }
        value
    }

    /// The text of a string with variables expanded, and whether it had any; `None` for another type.
    pub(super) fn expanded(&self) -> Option<Option<(String, bool)>> {
        let raw = self.inner.as_str()?;
        Some(match expand(raw, self.reader.environment) {
            Ok(expanded) => Some(expanded),
            Err(error) => {
                let remedy = match &error {
                    environment::Error::Missing(name) => format!("set it, or give a default: \"${{{name}:-...}}\""),
                    _ => "write \"${NAME}\" or \"${NAME:-default}\", and \"$${\" for the characters themselves".into(),
                };
                self.problem(error, remedy);
                None
            }
        })
    }

    /// A string.
    pub(in crate::config) fn text(&self, example: &str) -> Option<String> {
        match self.expanded() {
            Some(expanded) => expanded.map(|(text, _)| text),
            None => self.wrong_type("a string", format!("write for example {example:?}")),
        }
    }

    /// A string that is not empty.
    pub(in crate::config) fn full_text(&self, example: &str) -> Option<String> {
        let text = self.text(example)?;
        if text.trim().is_empty() {
            self.problem("the value is empty", format!("write for example {example:?}"));
            return None;
        }
        Some(text)
    }

    /// A string that satisfies `rule`.
    pub(in crate::config) fn name(&self, example: &str, rule: fn(&str) -> Result<(), &'static str>) -> Option<String> {
        let text = self.text(example)?;
        match rule(&text) {
            Ok(()) => Some(text),
            Err(rule) => {
                self.problem(format!("invalid name {text:?}"), rule);
                None
            }
        }
    }

    /// A string, number or boolean, as text.
    pub(in crate::config) fn scalar(&self) -> Option<String> {
        match self.inner {
            DeValue::String(_) => self.text(""),
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().to_owned()),
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            _ => self.wrong_type("a string, a number, or true or false", "put the value in quotes"),
        }
    }

    /// One of the words of `choices`.
    pub(in crate::config) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.text(words.first().copied().unwrap_or_default())?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.problem(format!("invalid value {text:?}"), one_of(&text, &words));
        }
        found.map(|(_, value)| *value)
    }

    /// The elements of a list.
    pub(in crate::config) fn list(&self, example: &str) -> Option<Vec<Value<'_>>> {
        let Some(list) = self.inner.as_array() else {
            return self.wrong_type("a list", format!("write for example {example}"));
        };
        let elements = list.iter().enumerate().map(|(index, element)| {
            let offset = element.span().start;
            Value::new(self.reader, element, self.at.element(index, offset), offset)
        });
        Some(elements.collect())
    }
}
