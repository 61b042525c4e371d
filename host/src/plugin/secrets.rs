//! Secret values of a plugin, which are redacted in its logs and failures.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use cofferdam_core::outcome::{Code, Failure, TEXT_LIMIT};

/// Secrets by name. Clones share the values. Without secrets, redacting costs nothing.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Inner>>);

struct Inner {
    values: BTreeMap<String, String>,
    finder: AhoCorasick,
    patterns: Vec<String>,
    /// The replacement for each pattern.
    shown: Vec<String>,
    /// Lines of secrets that are too short for patterns, and their replacements.
    short: BTreeMap<String, String>,
}

/// Each line of a secret with several lines is redacted by itself, because logs have lines. A line of at least this
/// length in bytes is redacted anywhere, a shorter one only if it is a whole line.
const LINE: usize = 4;

impl Secrets {
    /// Maximum length of a secret in bytes.
    pub const LONGEST: usize = 16 << 10;
    /// Maximum number of secrets of one plugin.
    pub const MOST: usize = 32;

    /// Creates the set of these secrets. Empty values are not redacted.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        if values.is_empty() {
            return Self(None);
        }
        let (mut patterns, mut shown, mut short) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (name, value) in &values {
            let lines = value.lines().map(str::trim).filter(|line| line.len() < value.len());
            let lines = lines.filter(|line| line.contains(char::is_alphanumeric));
            let (long, brief): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.len() >= LINE);
            for pattern in std::iter::once(&**value).filter(|value| !value.is_empty()).chain(long) {
                patterns.push(pattern.to_owned());
                shown.push(format!("[secret {name}]"));
            }
            short.extend(brief.into_iter().map(|line| (line.to_owned(), format!("[secret {name}]"))));
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
        let finder =
            finder.expect("as many and as long secrets as a configuration takes are far from the bounds of it");
        Self(Some(Arc::new(Inner { values, finder, patterns, shown, short })))
    }

    /// Returns the secret `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.values.get(name).map(String::as_str)
    }

    /// Returns all secrets with their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|inner| &inner.values).map(|(name, value)| (&**name, &**value))
    }

    /// Replaces each secret in `text` with `[secret NAME]`.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(inner) if inner.finder.is_match(text) => inner.finder.replace_all(text, &inner.shown).into(),
            _ => text.into(),
        }
    }

    /// Does the same for one line of a longer text.
    pub(super) fn redact_line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        match self.0.as_ref().and_then(|inner| inner.short.get(line.trim())) {
            Some(shown) => shown.clone().into(),
            None => self.redact(line),
        }
    }

    /// Redacts a failure. Must be called last, when its texts are complete.
    pub(super) fn redact_failure(&self, failure: &mut Failure) {
        let Some(inner) = &self.0 else { return };
        if inner.finder.is_match(failure.code.as_str()) {
            failure.code = Code::INVALID_CODE;
        }
        // A truncated text may end with the beginning of a secret, which the patterns do not match.
        if failure.text.len() + 3 >= TEXT_LIMIT {
            let begun = inner.patterns.iter().map(|pattern| begun(pattern, &failure.text)).max().unwrap_or(0);
            let end = failure.text.floor_char_boundary(failure.text.len() - begun);
            failure.text = failure.text[..end].into();
        }
        if let Cow::Owned(mut text) = self.redact(&failure.text) {
            text.truncate(text.floor_char_boundary(TEXT_LIMIT));
            failure.text = text.into();
        }
        for frame in &mut failure.backtrace {
            if let Cow::Owned(told) = self.redact(frame) {
                *frame = told.into();
            }
        }
    }

    /// Returns where to split `bytes` so that no secret is split: at `most`, or before or after a secret that crosses
    /// it. The end of the secret must be in `bytes`: [`Secrets::reach`] more bytes than `most` are enough.
    pub(super) fn cut(&self, bytes: &[u8], most: usize) -> usize {
        let Some(inner) = &self.0 else { return most };
        let mut across = inner.finder.find_iter(bytes).take_while(|found| found.start() < most);
        match across.find(|found| found.end() > most) {
            Some(found) if found.start() > 0 => found.start(),
            Some(found) => found.end(),
            None => most,
        }
    }

    /// Returns the length of the longest pattern in bytes.
    pub(super) fn reach(&self) -> usize {
        self.0.iter().flat_map(|inner| &inner.patterns).map(String::len).max().unwrap_or(0)
    }
}

/// Returns how many bytes at the end of `text` are a proper prefix of `pattern` (Knuth, Morris, Pratt).
fn begun(pattern: &str, text: &str) -> usize {
    let pattern = &pattern.as_bytes()[..pattern.len().min(text.len() + 1)];
    let Some((_, most)) = pattern.split_last() else { return 0 };
    // For each prefix of the pattern, the length of its longest proper suffix that is also a prefix.
    let mut borders = vec![0; most.len()];
    let extended = |borders: &[usize], mut length: usize, byte: u8| {
        while length > 0 && most.get(length) != Some(&byte) {
            length = borders[length - 1];
        }
        length + usize::from(most.get(length) == Some(&byte))
    };
    for (place, byte) in most.iter().enumerate().skip(1) {
        borders[place] = extended(&borders, borders[place - 1], *byte);
    }
    text.bytes().fold(0, |length, byte| extended(&borders, length, byte))
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

    #[test]
    fn a_line_that_is_short_is_not_read_where_it_stands_alone() {
        let secrets = secrets(&[("pin", "ab1\n{\n12")]);
        assert_eq!(secrets.redact_line(" ab1"), "[secret pin]");
        assert_eq!(secrets.redact_line("12"), "[secret pin]");
        assert_eq!(
            (secrets.redact_line("{"), secrets.redact_line("all 12 of them")),
            ("{".into(), "all 12 of them".into())
        );
    }

    #[test]
    fn a_secret_across_the_end_of_a_text_is_not_read_in_part() {
        let secrets = secrets(&[("api_key", "hunter2hunter3"), ("other", "xyz")]);
        for kept in 0..=14 {
            let text = format!("{}hunter2hunter3", ".".repeat(TEXT_LIMIT - kept));
            let mut failure = Failure::contract(Code::INVALID_RESULT, text);
            secrets.redact_failure(&mut failure);
            assert!(!failure.text.contains('h') && failure.text.len() <= TEXT_LIMIT, "{kept}");
        }
        let mut whole = Failure::contract(Code::INVALID_RESULT, "it ends with hunter2");
        secrets.redact_failure(&mut whole);
        assert_eq!(&*whole.text, "it ends with hunter2", "nothing was cut, and this is no secret");
    }

    #[test]
    fn a_secret_is_not_told_as_a_code() {
        let secrets = secrets(&[("api_key", "HUNTER2")]);
        for (code, told) in [("HUNTER2", "INVALID_CODE"), ("GOT_HUNTER2", "INVALID_CODE"), ("HUNTER", "HUNTER")] {
            let mut failure = Failure::contract(Code::of_handler(code), "");
            failure.backtrace = vec!["HUNTER2".into()];
            secrets.redact_failure(&mut failure);
            assert_eq!((failure.code.as_str(), &*failure.backtrace[0]), (told, "[secret api_key]"));
        }
    }

    #[test]
    fn no_line_is_broken_within_a_secret() {
        let secrets = secrets(&[("api_key", "hunter2")]);
        assert_eq!(secrets.reach(), 7);
        let cut = |text: &str, most| secrets.cut(text.as_bytes(), most);
        assert_eq!((cut("....hunter2...", 6), cut("....hunter2...", 11), cut("hunter2...", 3)), (4, 11, 7));
        assert_eq!(Secrets::default().cut(b"hunter2", 3), 3);
    }

    #[test]
    fn what_has_begun_at_the_end_of_a_text_is_found() {
        for (pattern, text, length) in [
            ("hunter2", "a hunt", 4),
            ("hunter2", "hunter2", 0),
            ("aab", "aaaa", 2),
            ("abab", "xaba", 3),
            ("a", "a", 0),
            ("", "a", 0),
        ] {
            assert_eq!(begun(pattern, text), length, "{pattern} {text}");
        }
    }
}
