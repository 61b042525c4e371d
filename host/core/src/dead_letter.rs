//! The two records of a failure: the dead letter with the original byte for byte, for replay, and the error event, for people.
//!
//! [`Letter`] reads dead letters, and [`Letter::replay`] builds the copy for a replay.

mod aside;
mod lighter;
mod own;
pub mod profile;
mod read;
mod reasons;
mod replay;

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::event::{HandlerId, Trace};
use crate::message::{Header, Headers, Position, Record};
use crate::outcome::{Class, Failure, Usage};
use crate::output::{Destination, Publication};
use crate::route::Route;
use crate::time::Time;
use crate::verdict::Reason;

pub(crate) use lighter::lighten;
pub use profile::Profile;
use profile::cofferdam::{self, Cofferdam};
pub use read::Letter;
pub use reasons::{Attempt, OriginalKey, Reasons};
pub use replay::{MARKER, Marker};

/// The profile of all dead letters.
pub(crate) const PROFILE: &dyn Profile = &Cofferdam;

/// Longest group and deduplication id on a FIFO queue, in bytes.
const FIFO_ID: usize = 128;

/// Longest original in an error event, in bytes; a longer one is cut, and `originalMessageCutFrom` has its size.
const ORIGINAL_LIMIT: usize = 64 << 10;

/// All facts about a failure that a dead letter stores.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) profile: &'a dyn Profile,
    pub(crate) route: &'a Route,
    pub(crate) record: &'a Record,
    pub(crate) failure: &'a Failure,
    pub(crate) reason: Reason,
    /// The number of the last attempt, from 1.
    pub(crate) attempt: u32,
    pub(crate) attempts: &'a [Attempt],
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
        if let Some(hidden) = own::hide(self.profile, &self.record.headers) {
            letter.headers = hidden;
        }
        let mut reasons = self.reasons();
        aside::put(self.record, self.route.source.layout, &letter, &mut reasons);
        self.profile.write(&reasons, letter.destination.layout(), &mut letter.headers);
        letter
    }

    /// The reasons, without the parts of the original that the layout of the letter has no place for.
    fn reasons(&self) -> Reasons {
        let failure = self.failure;
        let usage = match json!(self.usage) {
            Value::Object(usage) => Some(usage),
            _ => None,
        };
        Reasons {
            bare: false,
            outcome: Some(failure.class.as_str().into()),
            code: Some(failure.code.as_str().into()),
            text: Some(self.text().into()),
            route: Some((*self.route.name).into()),
            handler: self.handler.map(|handler| (*handler.name).into()),
            digest: self.handler.map(|handler| (*handler.digest).into()),
            attempt: Some(self.attempt),
            attempts: Some(self.attempts.to_vec()),
            first_failure: Some(self.first_failure()),
            last_failure: Some(self.now),
            broker: Some(self.route.broker.into()),
            source: Some(self.record.source.clone()),
            position: Some(self.record.position.clone()),
            timestamp: self.record.timestamp_ms.map(Time::from_millis),
            group: self.route.group.as_ref().map(|group| (**group).into()),
            usage,
            backtrace: (!failure.backtrace.is_empty()).then(|| self.backtrace().into()),
            trace: self.trace.traceparent.as_ref().map(|traceparent| (**traceparent).into()),
            correlation: (!self.trace.correlation.is_empty()).then(|| (*self.trace.correlation).into()),
            header_types: None,
            key: None,
            header_order: None,
        }
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
        fields.extend(cofferdam::event_fields(&self.reasons()));
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
    PROFILE.read(letter.destination.layout(), &mut headers)?.text
}

/// The dead letter without reasons, for a destination that rejects it with them; it has no reason header.
pub(crate) fn bare(profile: &dyn Profile, record: &Record, destination: Destination) -> Publication {
    let mut letter = copy(record, destination);
    if let Some(hidden) = own::hide(profile, &record.headers) {
        letter.headers = hidden;
        let reasons = Reasons { bare: true, ..Reasons::default() };
        profile.write(&reasons, letter.destination.layout(), &mut letter.headers);
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

#[cfg(test)]
mod tests;
