//! Correlation id, causation id and trace context: taken from the message, or derived from its id, so that every attempt and
//! every redelivery has the same ones.

use std::fmt::{self, Write};
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::event::Trace;
use crate::message::Message;

pub(super) const CORRELATION: &str = "correlation-id";
pub(super) const CAUSATION: &str = "causation-id";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";

/// Maximum length of a `tracestate` that is passed on. The specification requires at least 512; a longer one is dropped as a
/// whole.
const STATE: usize = 2_048;

pub(super) fn of(message: &Message) -> Trace {
    let attribute = |names: [&str; 2]| names.iter().find_map(|name| message.attribute(name));
    let [correlation, parent, state] = message.record.headers.texts([CORRELATION, TRACEPARENT, TRACESTATE]);
    let correlation = correlation.or_else(|| attribute(["correlationid", "correlation_id"]));
    let parent = parent.or_else(|| message.attribute(TRACEPARENT)).filter(|text| Parent::read(text).is_some());
    let state = state.or_else(|| message.attribute(TRACESTATE));
    let state = state.filter(|state| parent.is_some() && !state.is_empty() && state.len() <= STATE);
    Trace {
        message: Arc::clone(&message.id),
        correlation: correlation.map_or_else(|| Arc::clone(&message.id), Into::into),
        traceparent: parent.map(Into::into),
        tracestate: state.map(Into::into),
    }
}

/// Writes the trace context for the outputs of a message on `route`: the same trace with the parent's sampled flag, and a
/// new span. A new trace is sampled, because later services cannot change that. New ids are digests (XXH3,
/// <https://xxhash.com>) of message and route: equal at every attempt, on every host, in every version.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(super) fn write_child(text: &mut impl Write, trace: &Trace, route: &str) -> fmt::Result {
    let message = trace.message.as_bytes();
    let route = xxh3_64_with_seed(route.as_bytes(), 0);
    text.write_str("00-")?;
    let parent = trace.traceparent.as_deref().and_then(Parent::read);
    match &parent {
        Some(parent) => text.write_str(parent.trace)?,
        // All zeros is invalid.
        None => {
            let id = xxh3_128_with_seed(message, route).max(1);
            write_hex(text, (id >> 64) as u64)?;
            write_hex(text, id as u64)?;
        }
    }
    text.write_str("-")?;
    write_hex(text, xxh3_64_with_seed(message, !route).max(1))?;
    text.write_str(if parent.is_none_or(|parent| parent.sampled) { "-01" } else { "-00" })
}

/// Writes 16 hexadecimal digits, faster than `{:016x}`.
fn write_hex(text: &mut impl Write, number: u64) -> fmt::Result {
    let digits: [u8; 16] = std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15]);
    text.write_str(std::str::from_utf8(&digits).expect("digits are text"))
}

/// The inherited parts of a trace context.
struct Parent<'a> {
    trace: &'a str,
    sampled: bool,
}

impl<'a> Parent<'a> {
    /// Reads `version-trace-span-flags`; `None` if it is invalid. A later version may have more after the flags.
    fn read(traceparent: &'a str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let valid = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        let ends = version != "00" || parts.next().is_none();
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (valid && ends && version != "ff" && !is_zero(trace) && !is_zero(span))
            .then_some(Self { trace, sampled: flags & 1 == 1 })
    }
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
        assert!(Parent::read(&fresh).is_some_and(|parent| parent.sampled), "{fresh}");
        assert_ne!(fresh, child(&Trace { message: "m-2".into(), ..Trace::default() }, "r"));
        assert_ne!(fresh, child(&Trace { message: "m-1".into(), ..Trace::default() }, "s"));
    }

    #[test]
    fn what_the_parent_says_of_sampling_is_kept() {
        for (flags, kept) in [("00", "-00"), ("01", "-01"), ("03", "-01"), ("02", "-00")] {
            let given = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            let trace = Trace { message: "m-1".into(), traceparent: Some(given.into()), ..Trace::default() };
            assert!(child(&trace, "r").ends_with(kept), "{flags}");
        }
    }

    #[test]
    fn what_is_no_context_begins_a_trace() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let zeros = "0".repeat(32);
        for given in [
            format!("00-{trace}-{span}"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{zeros}-{span}-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}-1"),
        ] {
            assert!(Parent::read(&given).is_none(), "{given}");
        }
        assert!(Parent::read(&format!("01-{trace}-{span}-01-more")).is_some(), "a later version may say more");
    }
}
