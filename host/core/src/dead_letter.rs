//! The two records of a failure: the dead letter with the original byte for byte, for replay, and the error event, for people.
//!
//! [`Letter`] reads dead letters, and [`Letter::replay`] builds the copy for a replay.

mod aside;
mod lighter;
mod own;
mod read;
mod replay;

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::event::{HandlerId, Trace};
use crate::message::{Header, Headers, Position, Record};
use crate::outcome::{Class, Code, Failure, Usage};
use crate::output::{Destination, Layout, Publication};
use crate::route::Route;
use crate::time::Time;
use crate::verdict::Reason;

pub(crate) use lighter::lighten;
pub use read::{Attempt, Letter, Reasons};
pub use replay::{MARKER, Marker};

/// The prefix of all reason headers.
pub const PREFIX: &str = "cofferdam-dlq-";

/// The SQS message attribute with the reasons as JSON; a single one, because a message has ten at most.
pub const FOLDED: &str = "cofferdam-dlq";

/// Longest group and deduplication id on a FIFO queue, in bytes.
const FIFO_ID: usize = 128;

/// Longest original in an error event, in bytes; a longer one is cut, and `originalMessageCutFrom` has its size.
const ORIGINAL_LIMIT: usize = 64 << 10;

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempted {
    /// The end of the attempt.
    #[serde(serialize_with = "as_text")]
    pub time: Time,
    /// The class of the outcome.
    pub outcome: Class,
    /// The code.
    pub code: Code,
    /// The beginning of its text, at most [`Attempted::TEXT`] bytes.
    pub text: Box<str>,
}

impl Attempted {
    /// Longest text, in bytes: a letter has up to [`Trouble::REMEMBERED`](crate::machine::Trouble::REMEMBERED) of them.
    pub const TEXT: usize = 200;

    /// The record of a failure that ended an attempt at `time`.
    pub(crate) fn new(failure: &Failure, time: Time) -> Self {
        let text = failure.text[..failure.text.floor_char_boundary(Self::TEXT)].into();
        Self { time, outcome: failure.class, code: failure.code.clone(), text }
    }
}

fn as_text<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// All facts about a failure that a dead letter stores.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) route: &'a Route,
    pub(crate) record: &'a Record,
    pub(crate) failure: &'a Failure,
    pub(crate) reason: Reason,
    /// The number of the last attempt, from 1.
    pub(crate) attempt: u32,
    pub(crate) attempts: &'a [Attempted],
    /// Attempts by other hosts: receives counted by the queue.
    pub(crate) assumed: u32,
    pub(crate) handler: Option<&'a Arc<HandlerId>>,
    pub(crate) usage: Usage,
    pub(crate) trace: &'a Trace,
    pub(crate) now: Time,
}

impl Report<'_> {
    /// The dead letter, then the error event if the route has a destination for it.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        let mut publications = vec![self.dead_letter()];
        publications.extend(self.route.errors.clone().map(|errors| self.error_event(errors)));
        publications
    }

    fn dead_letter(&self) -> Publication {
        let mut letter = copy(self.record, self.route.dead_letter.destination(self.record));
        if let Some(hidden) = own::hide(&self.record.headers) {
            letter.headers = hidden;
        }
        let mut reasons = self.reasons();
        aside::put(self.record, self.route.source.layout, &letter, &mut reasons);
        match letter.destination.layout() {
            Layout::Record => {
                for (name, value) in reasons {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    letter.headers.push(Header::text(&format!("{PREFIX}{name}"), &text));
                }
            }
            // Where this is the eleventh attribute, the sink folds some of the others.
            Layout::Attributes => letter.headers.push(Header::text(FOLDED, &Value::Object(reasons).to_string())),
        }
        letter
    }

    /// The reason headers without their prefix, in the order of the documentation.
    fn reasons(&self) -> Map<String, Value> {
        let failure = self.failure;
        let mut reasons = Map::new();
        let mut add = |name: &str, value: Value| reasons.insert(name.to_owned(), value);
        add("outcome", failure.class.as_str().into());
        add("code", failure.code.as_str().into());
        add("text", self.text().into());
        add("route", (*self.route.name).into());
        if let Some(handler) = self.handler {
            add("plugin", (*handler.name).into());
            add("plugin-digest", (*handler.digest).into());
        }
        add("attempts", json!(self.attempts));
        add("first-failure", self.first_failure().to_string().into());
        add("last-failure", self.now.to_string().into());
        add("source", (*self.record.source).into());
        add("position", self.record.position.to_string().into());
        if let Some(millis) = self.record.timestamp_ms {
            add("timestamp", Time::from_millis(millis).to_string().into());
        }
        if let Some(group) = &self.route.group {
            add("group", (**group).into());
        }
        add("usage", json!(self.usage));
        if !failure.backtrace.is_empty() {
            add("backtrace", self.backtrace().into());
        }
        if let Some(traceparent) = &self.trace.traceparent {
            add("trace", (**traceparent).into());
        }
        if !self.trace.correlation.is_empty() {
            add("correlation", (*self.trace.correlation).into());
        }
        reasons
    }

    fn error_event(&self, destination: Destination) -> Publication {
        let failure = self.failure;
        let mut event = json!({
            "originalMessage": self.original_message(),
            "stage": stage(failure.class),
            "errorType": failure.code.as_str(),
            "errorMessage": self.text(),
            "stackTrace": self.backtrace(),
            "timestamp": self.now.to_string(),
            "service": self.route.service,
        });
        let fields = event.as_object_mut().expect("made as an object");
        for (name, value) in self.reasons() {
            // The name `timestamp` is in use: the original's is `originalTimestamp`.
            let name = if name == "timestamp" { "originalTimestamp".to_owned() } else { camel(&name) };
            if name != "text" && name != "backtrace" {
                fields.insert(name, value);
            }
        }
        let message = if self.trace.message.is_empty() { self.record.id() } else { self.trace.message.to_string() };
        fields.insert("messageId".to_owned(), message.into());
        if let Some(payload) = self.record.payload.as_ref().filter(|payload| payload.len() > ORIGINAL_LIMIT) {
            fields.insert("originalMessageCutFrom".to_owned(), payload.len().into());
        }
        let fifo = destination.is_fifo();
        let headers = Headers::from([
            Header::text("timestamp", &self.now.to_string()),
            Header::text("source", &self.route.service),
            Header::text("content-type", "application/json"),
        ]);
        Publication {
            destination,
            key: self.record.key.clone(),
            headers,
            payload: Some(Bytes::from(event.to_string())),
            timestamp_ms: None,
            group: fifo.then(|| group(self.record)),
            deduplication: fifo.then(|| fifo_id(&format!("{}/error", self.record.id()))),
        }
    }

    fn text(&self) -> String {
        let (text, reason, most) = (&self.failure.text, self.reason, self.route.policy.retry.max_attempts);
        if reason == Reason::AttemptsExhausted && self.assumed > 0 {
            let (made, assumed) = (self.attempt.saturating_sub(self.assumed), self.assumed);
            return format!(
                "{text} (not retried: {reason}; {made} of {most} attempts by this host, {assumed} receives counted by the queue)"
            );
        }
        match reason.attempts_left(self.attempt, most) {
            Some(left) => format!("{text} (not retried: {reason}; {left} of {most} attempts left)"),
            None => format!("{text} (not retried: {reason})"),
        }
    }

    fn first_failure(&self) -> Time {
        self.attempts.first().map_or(self.now, |attempted| attempted.time)
    }

    fn backtrace(&self) -> String {
        let mut text = String::new();
        for (number, frame) in self.failure.backtrace.iter().enumerate() {
            let _ = writeln!(text, "{number}: {frame}");
        }
        text
    }

    fn original_message(&self) -> Value {
        let Some(payload) = &self.record.payload else { return Value::Null };
        match std::str::from_utf8(payload) {
            Ok(text) => text[..text.floor_char_boundary(ORIGINAL_LIMIT)].into(),
            Err(_) => json!({ "base64": STANDARD.encode(&payload[..payload.len().min(ORIGINAL_LIMIT)]) }),
        }
    }
}

/// The reasons in a dead letter, with why there is no retry; `None` if its destination accepted it only without
/// reasons.
pub fn text_of(letter: &Publication) -> Option<Box<str>> {
    let mut headers = letter.headers.clone();
    own::take(letter.destination.layout(), &mut headers)?.get("text").and_then(Value::as_str).map(Box::from)
}

/// The dead letter without reasons, for a destination that rejects it with them; it has no reason header.
pub(crate) fn bare(record: &Record, destination: Destination) -> Publication {
    let mut letter = copy(record, destination);
    if let Some(hidden) = own::hide(&record.headers) {
        letter.headers = hidden;
        own::mark_bare(letter.destination.layout(), &mut letter.headers);
    }
    letter
}

/// The original, byte for byte.
fn copy(record: &Record, destination: Destination) -> Publication {
    let fifo = destination.is_fifo();
    Publication {
        destination,
        key: record.key.clone(),
        headers: record.headers.clone(),
        payload: record.payload.clone(),
        timestamp_ms: record.timestamp_ms,
        group: fifo.then(|| group(record)),
        deduplication: fifo.then(|| fifo_id(&record.id())),
    }
}

/// FIFO to FIFO keeps the group. SQS would reject a key that is not a valid group at every try, and block the record.
fn group(record: &Record) -> Box<str> {
    let key = record.key.as_ref().and_then(|key| std::str::from_utf8(key).ok());
    let fits = |key: &&str| (1..=FIFO_ID).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match (key.filter(fits), &record.position) {
        (Some(key), _) => key.into(),
        (None, Position::Offset { partition, .. }) => fifo_id(&format!("{}/{partition}", record.source)),
        (None, Position::MessageId(_)) => fifo_id(&record.source),
    }
}

/// The end of an id built by the host, where ids differ.
fn fifo_id(id: &str) -> Box<str> {
    id[id.ceil_char_boundary(id.len().saturating_sub(FIFO_ID))..].into()
}

/// The stage in which the message failed.
fn stage(class: Class) -> &'static str {
    match class {
        Class::Malformed => "decode",
        Class::Unrouted => "route",
        Class::HostFault => "host",
        _ => "handle",
    }
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

#[cfg(test)]
mod tests;
