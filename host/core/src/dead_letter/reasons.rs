//! The reasons of a dead letter: one type for writing and for reading.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::Position;
use crate::outcome::Failure;
use crate::time::Time;

/// The facts about a failure and its original that a dead letter stores. A [`Profile`](super::Profile) gives them names and
/// bytes.
///
/// Each one is optional: letters of other versions and reduced letters lack some, and a letter without an outcome still
/// restores its original. Texts are read as they were written, because another version may know other words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reasons {
    /// The letter has no reasons because its destination refused it with them. Written only where headers of the original
    /// were renamed; other letters need no mark.
    pub bare: bool,
    /// The outcome of the last attempt.
    pub outcome: Option<Box<str>>,
    /// The code of the last attempt.
    pub code: Option<Box<str>>,
    /// The text of the last failure, with why there is no retry.
    pub text: Option<Box<str>>,
    /// The route.
    pub route: Option<Box<str>>,
    /// The handler; `None` if none was called.
    pub handler: Option<Box<str>>,
    /// The digest of the handler's file.
    pub digest: Option<Box<str>>,
    /// The number of the last attempt; those before a restart of the host count. `None` in letters of older hosts.
    pub attempt: Option<u32>,
    /// The failed attempts since the message was received last, the first one first.
    pub attempts: Option<Vec<Attempt>>,
    /// The end of the first of these attempts.
    pub first_failure: Option<Time>,
    /// When the host gave the message up.
    pub last_failure: Option<Time>,
    /// The broker of the source; `None` in letters of older hosts.
    pub broker: Option<Box<str>>,
    /// The topic or queue of the original.
    pub source: Option<Arc<str>>,
    /// The position of the original in its source.
    pub position: Option<Position>,
    /// The timestamp of the original, in milliseconds.
    pub timestamp: Option<Time>,
    /// The consumer group.
    pub group: Option<Box<str>>,
    /// The resources used by the last attempt, by the names of [`Usage`](crate::outcome::Usage).
    pub usage: Option<Map<String, Value>>,
    /// The stack of the handler, one frame a line.
    pub backtrace: Option<Box<str>>,
    /// The traceparent.
    pub trace: Option<Box<str>>,
    /// The correlation id.
    pub correlation: Option<Box<str>>,
    /// The data types of the original's headers, where the letter has no place for them.
    pub header_types: Option<Vec<Box<str>>>,
    /// The key of the original, where the letter has another.
    pub key: Option<OriginalKey>,
    /// The places that the headers, sorted by name, had in the original, where that is another order.
    pub header_order: Option<Vec<usize>>,
}

/// The key of an original whose dead letter has another key, or no place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalKey {
    /// The original has no key.
    Missing,
    /// The original has this key.
    Bytes(Bytes),
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The end of the attempt.
    #[serde(with = "as_text")]
    pub time: Time,
    /// The class of the outcome.
    pub outcome: Cow<'static, str>,
    /// The code.
    pub code: Cow<'static, str>,
    /// The beginning of its text, at most [`Attempt::TEXT`] bytes; empty in letters of older hosts.
    #[serde(default)]
    pub text: Box<str>,
}

impl Attempt {
    /// Longest text, in bytes: a letter has up to [`Trouble::REMEMBERED`](crate::machine::Trouble::REMEMBERED) of them.
    pub const TEXT: usize = 200;

    /// The record of a failure that ended an attempt at `time`.
    pub(crate) fn new(failure: &Failure, time: Time) -> Self {
        let text = failure.text[..failure.text.floor_char_boundary(Self::TEXT)].into();
        Self { time, outcome: failure.class.as_str().into(), code: failure.code.clone().into(), text }
    }
}

/// Times as ISO 8601.
mod as_text {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::time::Time;

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
