//! The profile of Cofferdam: headers `cofferdam-dlq-<name>` in a record, and one attribute `cofferdam-dlq` with a JSON object
//! in a message with attributes, because it has ten at most.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::reasons::{Attempt, OriginalKey, Reasons};
use super::Profile;
use crate::message::{Header, Headers, Position};
use crate::output::Layout;
use crate::time::Time;

/// The prefix of all reason headers.
pub const PREFIX: &str = "cofferdam-dlq-";

/// The attribute with the reasons as JSON.
pub const FOLDED: &str = "cofferdam-dlq";

/// The header of a replay record in a topic of dead letters; its value is the state of the replay.
pub const RECEIPT: &str = "cofferdam-dlq-receipt";

/// The name for a key that is no text, in base64.
pub const KEY_BASE64: &str = "key-base64";

/// The name that says that an original in a topic has no key.
pub const NO_KEY: &str = "no-key";

/// The profile of Cofferdam.
#[derive(Debug, Clone, Copy)]
pub struct Cofferdam;

/// The reasons by name, in the order in which they are written.
type Parts = Map<String, Value>;

/// The table of names: it writes the parts, reads them, and does not compile while a field of [`Reasons`] has no name.
macro_rules! names {
    ($($constant:ident = $name:literal for $field:ident,)*) => {
        $(
            #[doc = concat!("The name of [`Reasons::", stringify!($field), "`].")]
            pub const $constant: &str = $name;
        )*

        /// All names, without [`PREFIX`].
        pub const NAMES: &[&str] = &[$($name,)* KEY_BASE64, NO_KEY];

        fn parts_of(reasons: &Reasons, layout: Layout) -> Parts {
            let mut parts = Parts::new();
            $(reasons.$field.put($name, layout, &mut parts);)*
            parts
        }

        fn reasons_of(parts: &Parts) -> Reasons {
            Reasons { $($field: Field::get($name, parts),)* }
        }
    };
}

// The order is that of the headers. A reduced letter has `bare`, `timestamp` and `no-key` at most.
names! {
    BARE = "bare" for bare,
    OUTCOME = "outcome" for outcome,
    CODE = "code" for code,
    TEXT = "text" for text,
    ROUTE = "route" for route,
    HANDLER = "plugin" for handler,
    DIGEST = "plugin-digest" for digest,
    ATTEMPT = "attempt" for attempt,
    ATTEMPTS = "attempts" for attempts,
    FIRST_FAILURE = "first-failure" for first_failure,
    LAST_FAILURE = "last-failure" for last_failure,
    BROKER = "source-broker" for broker,
    SOURCE = "source" for source,
    POSITION = "position" for position,
    TIMESTAMP = "timestamp" for timestamp,
    GROUP = "group" for group,
    USAGE = "usage" for usage,
    BACKTRACE = "backtrace" for backtrace,
    TRACE = "trace" for trace,
    CORRELATION = "correlation" for correlation,
    HEADER_TYPES = "header-types" for header_types,
    KEY = "key" for key,
    HEADER_ORDER = "header-order" for header_order,
}

/// The header of the reason `name` in a record.
pub fn header(name: &str) -> String {
    format!("{PREFIX}{name}")
}

impl Profile for Cofferdam {
    fn write(&self, reasons: &Reasons, layout: Layout, headers: &mut Headers) {
        let parts = parts_of(reasons, layout);
        match layout {
            _ if parts.is_empty() => {}
            Layout::Record => {
                for (name, value) in parts {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    headers.push(Header::text(&header(&name), &text));
                }
            }
            // If this is the eleventh attribute, the sink folds some of the others.
            Layout::Attributes => headers.push(Header::text(FOLDED, &Value::Object(parts).to_string())),
        }
    }

    fn read(&self, layout: Layout, headers: &mut Headers) -> Option<Reasons> {
        let parts = match layout {
            Layout::Record => take_headers(headers),
            Layout::Attributes => take_folded(headers),
        };
        parts.as_ref().map(reasons_of)
    }

    fn is_reserved(&self, name: &[u8]) -> bool {
        name.get(..FOLDED.len()).is_some_and(|start| start.eq_ignore_ascii_case(FOLDED.as_bytes()))
    }
}

/// The fields that an error event has of the reasons: camel case, and without those that it has under other names.
pub(in crate::dead_letter) fn event_fields(reasons: &Reasons) -> impl Iterator<Item = (String, Value)> {
    let parts = parts_of(reasons, Layout::Attributes).into_iter();
    parts.filter(|(name, _)| name != TEXT && name != BACKTRACE).map(|(name, value)| match &*name {
        // The name `timestamp` is in use.
        TIMESTAMP => ("originalTimestamp".to_owned(), value),
        name => (camel(name), value),
    })
}

fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        text.push_str(&initial.to_ascii_uppercase());
        text.push_str(rest);
        text
    })
}

/// Takes the parts header by header, without [`PREFIX`].
fn take_headers(headers: &mut Headers) -> Option<Parts> {
    let mut parts = Parts::new();
    headers.retain(|header| {
        let name = std::str::from_utf8(header.name).ok().and_then(|name| name.strip_prefix(PREFIX));
        let (Some(name), Some(value)) = (name, header.value) else { return true };
        parts.insert(name.to_owned(), String::from_utf8_lossy(value).into());
        false
    });
    (!parts.is_empty()).then_some(parts)
}

/// Takes the parts from the attribute [`FOLDED`].
fn take_folded(headers: &mut Headers) -> Option<Parts> {
    let is_ours = |header: &Header<'_>| header.name == FOLDED.as_bytes();
    let parts = serde_json::from_slice(headers.iter().find(is_ours)?.value?).ok()?;
    let mut found = false;
    headers.retain(|header| !is_ours(header) || std::mem::replace(&mut found, true));
    Some(parts)
}

/// A field of [`Reasons`] among the parts.
trait Field {
    fn put(&self, name: &str, layout: Layout, parts: &mut Parts);
    fn get(name: &str, parts: &Parts) -> Self;
}

/// A field that is a flag: there or not, whatever its value.
impl Field for bool {
    fn put(&self, name: &str, _: Layout, parts: &mut Parts) {
        if *self {
            parts.insert(name.to_owned(), true.into());
        }
    }

    fn get(name: &str, parts: &Parts) -> Self {
        parts.contains_key(name)
    }
}

impl<T: Part> Field for Option<T> {
    fn put(&self, name: &str, _: Layout, parts: &mut Parts) {
        if let Some(part) = self {
            parts.insert(name.to_owned(), part.value());
        }
    }

    fn get(name: &str, parts: &Parts) -> Self {
        T::of(parts.get(name)?)
    }
}

/// A header has no null, so in a record a name of its own says that there is no key.
impl Field for Option<OriginalKey> {
    fn put(&self, name: &str, layout: Layout, parts: &mut Parts) {
        let (name, value) = match (self, layout) {
            (None, _) => return,
            (Some(OriginalKey::Missing), Layout::Record) => (NO_KEY, true.into()),
            (Some(OriginalKey::Missing), Layout::Attributes) => (name, Value::Null),
            (Some(OriginalKey::Bytes(key)), _) => match std::str::from_utf8(key) {
                Ok(text) => (name, text.into()),
                Err(_) => (KEY_BASE64, STANDARD.encode(key).into()),
            },
        };
        parts.insert(name.to_owned(), value);
    }

    fn get(name: &str, parts: &Parts) -> Self {
        if parts.contains_key(NO_KEY) {
            return Some(OriginalKey::Missing);
        }
        let decoded = parts.get(KEY_BASE64).and_then(|coded| STANDARD.decode(coded.as_str()?).ok());
        if let Some(key) = decoded {
            return Some(OriginalKey::Bytes(key.into()));
        }
        Some(match parts.get(name)?.as_str() {
            Some(text) => OriginalKey::Bytes(Bytes::from(text.to_owned())),
            None => OriginalKey::Missing,
        })
    }
}

/// A value of a part: in a record each one is text.
trait Part: Sized {
    fn value(&self) -> Value;
    fn of(value: &Value) -> Option<Self>;
}

/// Parts that are text.
macro_rules! texts {
    ($($part:ty: $text:expr, $of:expr;)*) => {$(
        impl Part for $part {
            fn value(&self) -> Value {
                let text: fn(&Self) -> String = $text;
                text(self).into()
            }

            fn of(value: &Value) -> Option<Self> {
                let of: fn(&str) -> Option<Self> = $of;
                of(value.as_str()?)
            }
        }
    )*};
}

texts! {
    Box<str>: |text| text.to_string(), |text| Some(text.into());
    Arc<str>: |text| text.to_string(), |text| Some(text.into());
    Time: |time| time.to_string(), |text| text.parse().ok();
    Position: |position| position.to_string(), |text| Some(Position::of(text));
}

/// Parts that are JSON; in a record they are text that holds JSON.
macro_rules! structures {
    ($($part:ty,)*) => {$(
        impl Part for $part {
            fn value(&self) -> Value {
                json!(self)
            }

            fn of(value: &Value) -> Option<Self> {
                match value {
                    Value::String(text) => serde_json::from_str(text).ok(),
                    value => Self::deserialize(value).ok(),
                }
            }
        }
    )*};
}

structures! { u32, Vec<Attempt>, Vec<usize>, Vec<Box<str>>, Map<String, Value>, }
