//! The result of one message as plain values: for lines, for JSON, and for the page.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::action::{Fate, Next};
use cofferdam_core::dead_letter::text_of;
use cofferdam_core::machine::Delivery;
use cofferdam_core::message::{Headers, Record};
use cofferdam_core::outcome::{Failure, Outcome};
use serde_json::{Map, Value, json};

use super::super::bytes::{header, insert_bytes};

/// Maximum size of a payload on the page in bytes: hundreds of messages are stored for it.
const PAYLOAD: usize = 4 << 10;
/// Maximum number of outputs of one message on the page.
const OUTPUTS: usize = 20;

/// The end of a message, or of an attempt that is followed by another.
pub(super) struct Seen {
    pub(super) route: Arc<str>,
    pub(super) record: Arc<Record>,
    pub(super) event: Event,
    /// The failure, unless the message was handled.
    pub(super) failure: Option<Failure>,
    /// The plugin; `None` if no handler was called.
    pub(super) handler: Option<Box<str>>,
    pub(super) attempt: u32,
    pub(super) wall_us: u64,
    pub(super) outputs: Vec<Sent>,
}

/// What comes next for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Settled(&'static str),
    GoesOn(Next),
}

/// An output.
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) key: Option<Bytes>,
    pub(super) headers: Headers,
    pub(super) payload: Option<Bytes>,
}

impl Seen {
    /// Returns `None` if the end was already shown with the attempt.
    pub(super) fn settled(route: &Arc<str>, delivery: &Delivery, fate: Fate) -> Option<Self> {
        let word = match fate {
            Fate::Done => "done",
            Fate::DeadLettered => "dead letter",
            Fate::Ignored => "ignored",
            Fate::Duplicate => "duplicate",
            Fate::Released | Fate::Revoked | Fate::Abandoned => return None,
        };
        Some(Self::new(route, delivery, Event::Settled(word)))
    }

    pub(super) fn troubled(route: &Arc<str>, delivery: &Delivery, next: Next) -> Self {
        Self::new(route, delivery, Event::GoesOn(next))
    }

    fn new(route: &Arc<str>, delivery: &Delivery, event: Event) -> Self {
        let ended = delivery.ended();
        let mut failure = ended.and_then(|ended| match &ended.outcome {
            Outcome::Failed(failure) => Some(Failure::clone(failure)),
            Outcome::Done(_) => None,
        });
        // The text of the dead letter says why there is no further attempt.
        let letter =
            delivery.publication(0).filter(|_| delivery.is_stored_as_error() && matches!(event, Event::Settled(_)));
        if let (Some(failure), Some(text)) = (&mut failure, letter.and_then(text_of)) {
            failure.text = text;
        }
        let publications = if failure.is_none() { delivery.publications() } else { 0 };
        let publications = (0..publications).filter_map(|index| delivery.publication(u32::try_from(index).ok()?));
        let sent = publications.map(|publication| Sent {
            to: publication.destination.to_string(),
            key: publication.key.clone(),
            headers: publication.headers.clone(),
            payload: publication.payload.clone(),
        });
        Self {
            route: Arc::clone(route),
            record: Arc::clone(delivery.record()),
            event,
            handler: ended.and_then(|ended| Some(ended.handler.as_ref()?.name.clone())),
            attempt: delivery.attempt(),
            wall_us: ended.map_or(0, |ended| ended.usage.wall_us),
            outputs: sent.collect(),
            failure,
        }
    }

    /// Returns topic or queue, and the position in it.
    pub(super) fn place(&self) -> String {
        place(&self.record)
    }

    /// Returns whether the message is settled.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.event, Event::Settled(_))
    }

    /// Returns the JSON line with all outputs in full.
    pub(super) fn line(&self) -> Value {
        let Value::Object(mut line) = self.fields() else { unreachable!("it is made as an object") };
        line.insert("sent".into(), self.outputs.iter().map(|sent| sent.fields(Bytes::clone)).collect());
        Value::Object(line)
    }

    fn fields(&self) -> Value {
        let failure = self.failure.as_ref();
        let key = self.record.key.as_ref().map(|key| String::from_utf8_lossy(key).escape_debug().to_string());
        let (event, wait) = match self.event {
            Event::Settled(word) => (word, None),
            Event::GoesOn(next) => (next_word(next), Some(wait(next).as_millis())),
        };
        json!({
            "route": self.route,
            "source": self.record.source,
            "position": self.record.position.to_string(),
            "key": key,
            "event": event.replace(' ', "_"),
            "next_in_ms": wait,
            "outcome": failure.map_or("done", |failure| failure.class.as_str()),
            "code": failure.map(|failure| failure.code.as_str()),
            "text": failure.map(|failure| &failure.text),
            "backtrace": failure.map_or(&[][..], |failure| &failure.backtrace),
            "handler": self.handler,
            "attempt": self.attempt,
            "wall_us": self.wall_us,
            "outputs": self.outputs.len(),
        })
    }

    /// Returns the JSON line with message and outputs. Large payloads and long lists are truncated.
    pub(super) fn whole(&self) -> Value {
        let Value::Object(mut line) = self.fields() else { unreachable!("it is made as an object") };
        let mut message = Map::new();
        message.insert("headers".into(), self.record.headers.iter().map(header).collect());
        insert_bytes(&mut message, "payload", self.record.payload.as_ref().map(beginning).as_ref());
        line.insert("message".into(), message.into());
        let outputs = self.outputs.iter().take(OUTPUTS).map(|sent| sent.fields(beginning));
        line.insert("sent".into(), outputs.collect());
        Value::Object(line)
    }
}

impl Sent {
    /// Returns the fields, with the part of each payload that `part` selects.
    fn fields(&self, part: impl Fn(&Bytes) -> Bytes) -> Value {
        let mut output = Map::new();
        output.insert("to".into(), self.to.as_str().into());
        insert_bytes(&mut output, "key", self.key.as_ref());
        output.insert("headers".into(), self.headers.iter().map(header).collect());
        insert_bytes(&mut output, "payload", self.payload.as_ref().map(part).as_ref());
        Value::Object(output)
    }
}

/// Returns the first [`PAYLOAD`] bytes; of UTF-8, only whole characters.
fn beginning(payload: &Bytes) -> Bytes {
    let end = match std::str::from_utf8(payload) {
        Ok(text) => text.floor_char_boundary(PAYLOAD),
        Err(_) => payload.len().min(PAYLOAD),
    };
    payload.slice(..end)
}

/// Returns the topic or queue of a record, and its position. SQS message ids are long, so only their first part is
/// shown.
pub(super) fn place(record: &Record) -> String {
    let position = record.position.to_string();
    let position = if position.len() > 20 { &position[..8] } else { &position };
    format!("{}/{position}", record.source)
}

pub(super) fn next_word(next: Next) -> &'static str {
    match next {
        Next::Retry(_) => "retry",
        Next::Defer(_) => "deferred",
        Next::Hold(_) => "held",
        Next::Refused(_) => "dead letter refused",
    }
}

pub(super) fn wait(next: Next) -> std::time::Duration {
    match next {
        Next::Retry(wait) | Next::Defer(wait) | Next::Hold(wait) | Next::Refused(wait) => wait,
    }
}
