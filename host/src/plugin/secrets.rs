//! Values that a plugin is given and that nobody is to read in what it says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

/// Secrets by name; a clone is the same. Without any, nothing is looked for anywhere.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Inner>>);

struct Inner {
    values: BTreeMap<String, String>,
    finder: AhoCorasick,
    /// What stands in place of each pattern.
    shown: Vec<String>,
}

/// A line of a secret of several lines is looked for by itself where it is at least so long, bytes: logs have lines.
const LINE: usize = 8;

impl Secrets {
    /// The longest secret, bytes.
    pub const LONGEST: usize = 16 << 10;
    /// The most secrets of one plugin.
    pub const MOST: usize = 32;

    /// These secrets; those that are empty are not looked for.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        if values.is_empty() {
            return Self(None);
        }
        let (mut patterns, mut shown) = (Vec::new(), Vec::new());
        for (name, value) in &values {
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE && line.len() < value.len());
            for pattern in std::iter::once(&**value).filter(|value| !value.is_empty()).chain(lines) {
                patterns.push(pattern);
                shown.push(format!("[secret {name}]"));
            }
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns);
        let finder =
            finder.expect("as many and as long secrets as a configuration takes are far from the bounds of it");
        Self(Some(Arc::new(Inner { values, finder, shown })))
    }

    /// The secret `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.values.get(name).map(String::as_str)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|inner| &inner.values).map(|(name, value)| (&**name, &**value))
    }

    /// `text` with `[secret NAME]` in place of every secret.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(inner) if inner.finder.is_match(text) => inner.finder.replace_all(text, &inner.shown).into(),
            _ => text.into(),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Secrets {}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        Secrets::new(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_secret_is_not_read_wherever_it_stands() {
        let secrets = secrets(&[("api_key", "hunter2"), ("longer", "hunter2-and-more"), ("none", "")]);
        assert_eq!(secrets.redact("hunter2: hunter2-and-more, hunter"), "[secret api_key]: [secret longer], hunter");
        assert_eq!(secrets.get("api_key"), Some("hunter2"));
        assert_eq!(format!("{secrets:?}"), r#"{"api_key", "longer", "none"}"#);
        assert!(matches!(secrets.redact("nothing"), Cow::Borrowed("nothing")));
        assert!(matches!(Secrets::default().redact("nothing"), Cow::Borrowed("nothing")));
    }

    #[test]
    fn a_key_of_several_lines_is_not_read_line_by_line() {
        let secrets = secrets(&[("key", "-----BEGIN-----\nMIIEvQIBADAN\n==\n-----END-----")]);
        assert_eq!(secrets.redact("MIIEvQIBADAN"), "[secret key]");
        assert_eq!(secrets.redact("-----BEGIN-----\nMIIEvQIBADAN\n==\n-----END-----!"), "[secret key]!");
        assert_eq!(secrets.redact("1 == 1"), "1 == 1");
    }
}
