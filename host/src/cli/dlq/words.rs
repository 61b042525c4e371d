//! Dead letters as text and as JSON.

use cofferdam_core::dead_letter::Reasons;
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use serde_json::{Map, Value, json};

use super::super::bytes;
use crate::dead_letters::{DeadLetters, Found, Looked};
use crate::escape::Escaped;

/// Escapes control characters, because texts of failures come from guests.
pub(super) fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

/// Formats a time without fractions of a second: `2026-11-21T05:01:36Z`.
pub(super) fn seconds(time: Time) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// Returns the text of the failure on one line.
pub(super) fn text(found: &Found) -> String {
    match (found.reasons(), &found.redriven) {
        (Some(reasons), _) => escaped(reasons.text.as_deref().unwrap_or_default()),
        (None, Some(source)) => format!("moved by the redrive policy of {}", source.name),
        (None, None) => "(no reasons)".to_owned(),
    }
}

/// `1 dead letter`, `7 dead letters`
pub(super) fn letters(count: u64) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}

/// Returns a JSON object without payload, headers and backtrace.
pub(super) fn summary(found: &Found) -> Value {
    Value::Object(fields(found))
}

/// Returns a JSON object with all fields.
pub(super) fn whole(found: &Found) -> Value {
    let mut fields = fields(found);
    let original = &found.letter.original;
    let reasons = found.reasons();
    let attempts = reasons.and_then(|reasons| reasons.attempts.as_deref()).unwrap_or_default();
    fields.insert("attempt".into(), reasons.map(self::attempts).into());
    fields.insert("attempts".into(), json!(attempts));
    fields.insert("plugin_digest".into(), reasons.and_then(|reasons| reasons.digest.as_deref()).into());
    fields.insert("usage".into(), reasons.and_then(|reasons| reasons.usage.clone()).into());
    fields.insert("backtrace".into(), reasons.and_then(|reasons| reasons.backtrace.as_deref()).into());
    fields.insert("traceparent".into(), reasons.and_then(|reasons| reasons.trace.as_deref()).into());
    fields.insert("correlation".into(), reasons.and_then(|reasons| reasons.correlation.as_deref()).into());
    fields.insert("timestamp".into(), time(original.timestamp_ms.map(Time::from_millis)));
    fields.insert("headers".into(), original.headers.iter().map(bytes::header).collect());
    bytes::insert_bytes(&mut fields, "payload", original.payload.as_ref());
    Value::Object(fields)
}

fn fields(found: &Found) -> Map<String, Value> {
    let original = &found.letter.original;
    let reasons = found.reasons();
    let word = |word: fn(&Reasons) -> &Option<Box<str>>| {
        Value::from(reasons.map(|reasons| word(reasons).as_deref().unwrap_or_default()))
    };
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    add("destination", found.at.to_string().into());
    add("position", found.position.to_string().into());
    add("time", time(found.time()));
    add("outcome", word(|reasons| &reasons.outcome));
    add("code", word(|reasons| &reasons.code));
    add("text", word(|reasons| &reasons.text));
    add("route", word(|reasons| &reasons.route));
    add("handler", reasons.and_then(|reasons| reasons.handler.as_deref()).into());
    add("attempts", reasons.map(attempts).into());
    add("first_failure", time(reasons.and_then(|reasons| reasons.first_failure)));
    add("last_failure", time(reasons.and_then(|reasons| reasons.last_failure)));
    add("source", found.origin().map(|origin| origin.to_string()).into());
    add("source_position", reasons.map(|_| original.position.to_string()).into());
    add("group", reasons.and_then(|reasons| reasons.group.as_deref()).into());
    add("replays", found.replays.count.into());
    add("last_replay", time(found.replays.last));
    add("in_doubt", found.replays.in_doubt.into());
    add("payload_bytes", original.payload.as_ref().map(::bytes::Bytes::len).into());
    bytes::insert_bytes(&mut fields, "key", original.key.as_ref());
    fields
}

/// The number of attempts. A letter of an older host has only the list, which begins anew with each receive.
pub(super) fn attempts(reasons: &Reasons) -> u32 {
    let listed = reasons.attempts.as_ref().map_or(0, Vec::len);
    reasons.attempt.unwrap_or_else(|| u32::try_from(listed).unwrap_or(u32::MAX))
}

fn time(time: Option<Time>) -> Value {
    time.map(|time| time.to_string()).into()
}

/// Warns that reading counts as a receive, if a redrive policy moves messages after too many receives.
pub(super) fn warn_of_receives(letters: &dyn DeadLetters) {
    if let Some((receives, to)) = letters.hands_over() {
        tell!(
            "cofferdam: warning: each read counts as a receive, and after {receives} receives this queue moves a message to {to}"
        );
    }
}

/// Reports the messages that a queue did not show.
pub(super) fn say_unseen(destination: &Destination, looked: Looked) {
    if looked.unseen > 0 {
        let why = match destination.is_fifo() {
            true => "other consumers hold them, or they are behind the first ten of their message group",
            false => "other consumers hold them, or they are delayed",
        };
        tell!("cofferdam: {destination}: about {} more are not visible now: {why}", looked.unseen);
    }
}
