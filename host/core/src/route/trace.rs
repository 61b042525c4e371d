//! Correlation, causation and trace context: taken from the message where it has them, made from its id where it
//! has none, so that every attempt and every repeat says the same.

use std::fmt::{self, Write};
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::event::Trace;
use crate::message::Message;

pub(super) const CORRELATION: &str = "correlation-id";
pub(super) const CAUSATION: &str = "causation-id";
pub(super) const TRACEPARENT: &str = "traceparent";

pub(super) fn of(message: &Message) -> Trace {
    let attribute = |names: [&str; 2]| names.iter().find_map(|name| message.attribute(name));
    let [correlation, traceparent] = message.record.headers.texts([CORRELATION, TRACEPARENT]);
    let correlation = correlation.or_else(|| attribute(["correlationid", "correlation_id"]));
    let traceparent = traceparent.or_else(|| message.attribute(TRACEPARENT));
    Trace {
        message: Arc::clone(&message.id),
        correlation: correlation.map_or_else(|| Arc::clone(&message.id), Into::into),
        traceparent: traceparent.filter(|text| trace_id(text).is_some()).map(Into::into),
    }
}

/// Writes the trace context for what a message leads to on `route`: the same trace, a span of its own. Ids that are made
/// here are digests (XXH3, <https://xxhash.com>) of what they stand for: the same at every attempt, on every host, in every
/// version.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(super) fn write_child(text: &mut impl Write, trace: &Trace, route: &str) -> fmt::Result {
    let message = trace.message.as_bytes();
    let route = xxh3_64_with_seed(route.as_bytes(), 0);
    text.write_str("00-")?;
    match trace.traceparent.as_deref().and_then(trace_id) {
        Some(id) => text.write_str(id)?,
        // All zeros is invalid.
        None => {
            let id = xxh3_128_with_seed(message, route).max(1);
            write_hex(text, (id >> 64) as u64)?;
            write_hex(text, id as u64)?;
        }
    }
    text.write_str("-")?;
    write_hex(text, xxh3_64_with_seed(message, !route).max(1))?;
    text.write_str("-01")
}

/// Sixteen digits, in half the time of `{:016x}`.
fn write_hex(text: &mut impl Write, number: u64) -> fmt::Result {
    let digits: [u8; 16] = std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15]);
    text.write_str(std::str::from_utf8(&digits).expect("digits are text"))
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
    fn ids_are_the_same_in_every_version() {
        let trace = Trace { message: "orders/3/42".into(), ..Trace::default() };
        assert_eq!(child(&trace, "prices"), "00-0008baed9c1630b7f2f60176e850c71b-1639fc93f878b926-01");
    }

    #[test]
    fn numbers_are_written_as_everybody_writes_them() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = String::new();
            write_hex(&mut text, number).expect("a string takes all");
            assert_eq!(text, format!("{number:016x}"));
        }
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
        assert_ne!(fresh, child(&Trace { message: "m-2".into(), ..Trace::default() }, "r"));
        assert_ne!(fresh, child(&Trace { message: "m-1".into(), ..Trace::default() }, "s"));
    }
}
