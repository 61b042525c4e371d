//! Correlation, causation and trace context: taken from the message where it has them, made from its id where it
//! has none, so that every attempt and every repeat says the same.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::Trace;
use crate::message::Message;

pub(super) const CORRELATION: &str = "correlation-id";
pub(super) const CAUSATION: &str = "causation-id";
pub(super) const TRACEPARENT: &str = "traceparent";

pub(super) fn of(message: &Message) -> Trace {
    let attribute = |names: [&str; 2]| names.iter().find_map(|name| message.attribute(name));
    let correlation =
        message.record.text_header(CORRELATION).or_else(|| attribute(["correlationid", "correlation_id"]));
    let traceparent = message.record.text_header(TRACEPARENT).or_else(|| message.attribute(TRACEPARENT));
    Trace {
        message: message.id.clone(),
        correlation: correlation.unwrap_or(&message.id).into(),
        traceparent: traceparent.filter(|text| trace_id(text).is_some()).map(Into::into),
    }
}

/// Writes the trace context for what a message leads to on `route`: the same trace, a span of its own.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(super) fn write_child(text: &mut impl Write, trace: &Trace, route: &str) -> fmt::Result {
    let mut common = DefaultHasher::new();
    (route, &trace.message).hash(&mut common);
    let salted = |salt: u8| {
        let mut hasher = common.clone();
        salt.hash(&mut hasher);
        // All zeros is invalid.
        hasher.finish().max(1)
    };
    text.write_str("00-")?;
    match trace.traceparent.as_deref().and_then(trace_id) {
        Some(id) => text.write_str(id)?,
        None => write!(text, "{:016x}{:016x}", salted(0), salted(1))?,
    }
    write!(text, "-{:016x}-01", salted(2))
}

fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, id, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let valid = version.len() == 2 && id.len() == 32 && span.len() == 16 && hex(version) && hex(id) && hex(span);
    (valid && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(trace: &Trace, route: &str) -> String {
        let mut text = String::new();
        write_child(&mut text, trace, route).expect("a string takes all");
        text
    }

    #[test]
    fn the_trace_goes_on_and_repeats_say_the_same() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace { message: "m-1".into(), traceparent: Some(given.into()), ..Trace::default() };
        let next = child(&trace, "r");
        assert!(next.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{next}");
        assert_ne!(next, given);
        assert_eq!(next, child(&trace, "r"));
        let fresh = child(&Trace { message: "m-1".into(), ..Trace::default() }, "r");
        assert!(trace_id(&fresh).is_some(), "{fresh}");
    }
}
