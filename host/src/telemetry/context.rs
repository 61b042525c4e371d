//! The fields of a log line about a message.

use std::borrow::Cow;

use cofferdam_core::event::{Ended, Trace};
use cofferdam_core::machine::Delivery;
use cofferdam_core::message::{Message, Position};
use cofferdam_core::route::Route;
use cofferdam_core::time::Time;

use crate::escape::is_hidden;

/// Maximum length of a guest's text in a log line, in bytes; a dead letter contains more of it.
const TEXT_SHOWN: usize = 1024;

/// Position of a message, and the ids for tracing it. Created only if a line is written.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) route: &'a str,
    pub(super) group: &'a str,
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) offset: Option<i64>,
    pub(super) broker_message_id: Option<Cow<'a, str>>,
    pub(super) attempt: u32,
    received: Time,
    pub(super) trace: Option<Cow<'a, Trace>>,
    message: Option<Cow<'a, Message>>,
}

impl<'a> Context<'a> {
    pub(super) fn of(route: &'a Route, group: &'a str, delivery: &'a Delivery, ended: Option<&'a Ended>) -> Self {
        let record = delivery.record();
        let (partition, offset, broker_message_id) = match &record.position {
            Position::Offset { partition, offset } => (Some(*partition), Some(*offset), None),
            Position::MessageId(id) => (None, None, Some(shown(id))),
        };
        let opened = ended.and_then(|ended| ended.opened.as_ref()).or_else(|| delivery.opened());
        let message = match opened {
            Some(opened) => opened.message(&route.envelope).ok().map(Cow::Borrowed),
            // The envelope is not kept only for log lines.
            None => route.envelope.decode(record).ok().map(Cow::Owned),
        };
        let trace = match ended {
            Some(ended) if !ended.trace.message.is_empty() => Some(Cow::Borrowed(&ended.trace)),
            _ => message.as_ref().map(|message| Cow::Owned(route.trace(message))),
        };
        Self {
            route: &route.name,
            group,
            topic: &record.source,
            partition,
            offset,
            broker_message_id,
            attempt: delivery.attempt(),
            received: delivery.received(),
            trace,
            message,
        }
    }

    /// Returns the time since the receipt in milliseconds.
    pub(super) fn latency_ms(&self, now: Option<Time>) -> Option<u64> {
        now.map(|now| u64::try_from(now.since(self.received).as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn message_id(&self) -> Option<Cow<'_, str>> {
        self.trace.as_ref().map(|trace| shown(&trace.message))
    }

    pub(super) fn correlation_id(&self) -> Option<Cow<'_, str>> {
        self.trace.as_ref().map(|trace| shown(&trace.correlation))
    }

    pub(super) fn traceparent(&self) -> Option<Cow<'_, str>> {
        self.trace.as_ref()?.traceparent.as_deref().map(shown)
    }

    /// Returns the first of `names` that the envelope has; names in CloudEvents have no underscores.
    pub(super) fn attribute(&self, names: [&str; 2]) -> Option<Cow<'_, str>> {
        let message = self.message.as_ref()?;
        names.iter().find_map(|name| message.attribute(name)).map(shown)
    }
}

/// Writes a line about a message if its level is enabled; `$context` is evaluated only then.
macro_rules! line {
    ($level:ident, $event:literal, $text:expr, $context:expr, $now:expr, { $($field:tt)* }) => {
        if tracing::enabled!(target: "cofferdam::delivery", tracing::Level::$level) {
            let context = $context;
            tracing::event!(
                target: "cofferdam::delivery",
                tracing::Level::$level,
                event = $event,
                route = context.route,
                topic = context.topic,
                partition = context.partition,
                offset = context.offset,
                broker_message_id = context.broker_message_id.as_deref(),
                consumer_group = context.group,
                attempt = context.attempt,
                latency_ms = context.latency_ms($now),
                message_id = context.message_id().as_deref(),
                correlation_id = context.correlation_id().as_deref(),
                traceparent = context.traceparent().as_deref(),
                entity_id = context.attribute(["entityid", "entity_id"]).as_deref(),
                task_name = context.attribute(["taskname", "task_name"]).as_deref(),
                $($field)*
                "{}", $text
            );
        }
    };
}
pub(super) use line;

/// Returns text of a guest or a producer for display: hidden characters are escaped, and the text is cut at
/// [`TEXT_SHOWN`] bytes. Quotes are not escaped, because the text is always a field of its own.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(TEXT_SHOWN)];
    let plain = |char: char| !is_hidden(char) && char != '\\';
    if cut.len() == text.len() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(cut.len() + 16);
    for char in cut.chars() {
        if plain(char) { shown.push(char) } else { shown.extend(char.escape_default()) }
    }
    if cut.len() < text.len() {
        shown.push('…');
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_escaped_and_the_rest_stays() {
        assert!(matches!(shown("price of \"ö\" isn't known"), Cow::Borrowed(_)));
        assert_eq!(shown("a\nb\u{1b}[31m\u{9b}\u{202e}c\0\\"), r"a\nb\u{1b}[31m\u{9b}\u{202e}c\u{0}\\");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = format!("a{}", "é".repeat(TEXT_SHOWN));
        let cut = shown(&long);
        assert!(cut.len() < TEXT_SHOWN + 4, "{}", cut.len());
        assert!(cut.ends_with("é…"), "{cut}");
    }
}
