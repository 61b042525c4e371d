//! A dead letter, taken apart again.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{aside, lighter, own};
use crate::message::{Position, Record};
use crate::output::Layout;
use crate::time::Time;

/// A record of a dead-letter destination: the original, and why it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The original as it once came, with the place it came from. Without reasons: the record itself.
    pub original: Record,
    /// Why it is there, in the words of the host: an original cannot forge it. `None`: not written by a host, or written
    /// without room for them. A queue's own redrive says nothing either.
    pub reasons: Option<Box<Reasons>>,
}

/// Why a message is a dead letter. Words stay as they were written: another version may know others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reasons {
    /// How the last attempt ended.
    pub outcome: Box<str>,
    /// Its code.
    pub code: Box<str>,
    /// What was said.
    pub text: Box<str>,
    /// The route.
    pub route: Box<str>,
    /// The handler; `None` where none was called.
    pub handler: Option<Box<str>>,
    /// The digest of its file.
    pub digest: Option<Box<str>>,
    /// Attempts that failed, the first one first.
    pub attempts: Vec<Attempt>,
    /// When the first of them ended.
    pub first_failure: Option<Time>,
    /// When the message was given up.
    pub last_failure: Option<Time>,
    /// The consumer group.
    pub group: Option<Box<str>>,
    /// What the last attempt used.
    pub usage: Option<Value>,
    /// One frame a line.
    pub backtrace: Option<Box<str>>,
    /// The traceparent.
    pub trace: Option<Box<str>>,
    /// The correlation id.
    pub correlation: Option<Box<str>>,
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Attempt {
    /// When it ended, in ISO 8601.
    pub time: Box<str>,
    /// How.
    pub outcome: Box<str>,
    /// The code.
    pub code: Box<str>,
    /// The beginning of its text; empty in letters of older hosts.
    #[serde(default)]
    pub text: Box<str>,
}

impl Letter {
    /// A record that no host wrote as a letter, such as one that a queue moved itself: whatever its headers claim, it is
    /// the original, and says nothing of why it is there.
    pub fn without_reasons(record: &Record) -> Self {
        Self { original: record.clone(), reasons: None }
    }

    /// Takes a record of a dead-letter topic or queue of this layout apart. Parts that cannot be understood are left out,
    /// never refused.
    pub fn read(record: &Record, layout: Layout) -> Self {
        let mut original = record.clone();
        let Some(reasons) = own::take(layout, &mut original.headers) else { return Self::without_reasons(record) };
        aside::restore(&mut original.headers, &reasons);
        own::reveal(&mut original.headers);
        if layout == Layout::Attributes {
            original.key = aside::key(&reasons, record.key.as_ref());
            original.timestamp_ms = None;
        }
        let text = |name: &str| reasons.get(name).and_then(Value::as_str);
        if let (Some(source), Some(position)) = (text("source"), text("position")) {
            original.source = Arc::from(source);
            original.position = Position::of(position);
        }
        if reasons.contains_key(lighter::NO_KEY) {
            original.key = None;
        }
        original.timestamp_ms = time(&reasons, "timestamp").map(Time::as_millis).or(original.timestamp_ms);
        if !reasons.contains_key("outcome") {
            return Self { original, reasons: None };
        }
        let owned = |name: &str| text(name).map(Box::from);
        let reasons = Reasons {
            outcome: owned("outcome").unwrap_or_default(),
            code: owned("code").unwrap_or_default(),
            text: owned("text").unwrap_or_default(),
            route: owned("route").unwrap_or_default(),
            handler: owned("plugin"),
            digest: owned("plugin-digest"),
            attempts: json(&reasons, "attempts").and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default(),
            first_failure: time(&reasons, "first-failure"),
            last_failure: time(&reasons, "last-failure"),
            group: owned("group"),
            usage: json(&reasons, "usage"),
            backtrace: owned("backtrace"),
            trace: owned("trace"),
            correlation: owned("correlation"),
        };
        Self { original, reasons: Some(Box::new(reasons)) }
    }
}

fn json(reasons: &Map<String, Value>, name: &str) -> Option<Value> {
    match reasons.get(name)? {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    }
}

fn time(reasons: &Map<String, Value>, name: &str) -> Option<Time> {
    reasons.get(name)?.as_str()?.parse().ok()
}
