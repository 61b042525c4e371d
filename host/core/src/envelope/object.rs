//! A JSON object with unparsed values: a number keeps all its digits, a payload its spelling.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The members by name; of a repeated name, the last one counts.
#[derive(Deserialize)]
pub(super) struct Object<'a>(#[serde(borrow)] BTreeMap<Name<'a>, &'a RawValue>);

/// A member name; borrowed unless it contains escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> Object<'a> {
    /// Reads an object, with nothing after it.
    ///
    /// # Errors
    /// What the bytes are instead, as a text after "the value is".
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| match kind(bytes) {
            Some(kind) => format!("{kind}; expected a JSON object"),
            None => format!("not a JSON object: {error}"),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&*name.0, *value))
    }
}

/// What the bytes are instead of an object, if the first ones show it.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if bytes.starts_with(MARK) {
        return Some("JSON after a byte order mark (EF BB BF)");
    }
    match bytes.trim_ascii_start() {
        [] => Some("empty"),
        [b'[', ..] => Some("a JSON array"),
        [b'"', ..] => Some("a JSON string"),
        [b'-' | b'0'..=b'9', ..] => Some("a number"),
        b"true" | b"false" => Some("a boolean"),
        b"null" => Some("null"),
        _ => None,
    }
}

/// The text of a value: the content of a string, anything else as it is written. `null` has none, like a missing member.
pub(super) fn text(value: &RawValue) -> serde_json::Result<Option<Box<str>>> {
    match value.get() {
        "null" => Ok(None),
        written if written.starts_with('"') => serde_json::from_str(written).map(Some),
        written => Ok(Some(written.into())),
    }
}

/// The kind of a value that cannot be a name because it is neither a string nor a number. `true` names nothing, and the same
/// object can be written in several ways.
pub(super) fn no_name(value: &RawValue) -> Option<&'static str> {
    match value.get().as_bytes() {
        [b'{', ..] => Some("an object"),
        [b'[', ..] => Some("an array"),
        [b't' | b'f', ..] => Some("a boolean"),
        _ => None,
    }
}
