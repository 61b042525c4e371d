//! Headers that the host adds to every output, unless the handler has set them.

use std::fmt::{self, Write as _};

use super::{Route, trace};
use crate::event::Trace;
use crate::message::{Headers, Message, Written};
use crate::time::Time;

/// Usual size of all names and values in bytes, for the allocation.
const ROOM: usize = 256;

/// Writes a value.
type Write<'a> = &'a dyn Fn(&mut Written<'_>) -> fmt::Result;

impl Route {
    pub(super) fn add_standard_headers(&self, headers: &mut Headers, message: &Message, trace: &Trace, now: Time) {
        let standard: [(&str, Write<'_>); 5] = [
            ("timestamp", &|text| write!(text, "{now}")),
            ("source", &|text| text.write_str(&self.service)),
            (trace::CORRELATION, &|text| text.write_str(&trace.correlation)),
            (trace::CAUSATION, &|text| text.write_str(&message.id)),
            (trace::TRACEPARENT, &|text| trace::write_child(text, trace, &self.name)),
        ];
        let given = headers.texts(standard.map(|(name, _)| name)).map(|text| text.is_some());
        headers.reserve(standard.len(), ROOM);
        for ((name, write), _) in standard.into_iter().zip(given).filter(|(_, given)| !given) {
            headers.push_written(name, write);
        }
        // This header belongs to the trace context: an output with a trace context of the handler belongs to another trace.
        let [.., has_context] = given;
        if let Some(state) = trace.tracestate.as_deref().filter(|_| !has_context)
            && headers.texts([trace::TRACESTATE]) == [None]
        {
            headers.push_written(trace::TRACESTATE, |text: &mut Written<'_>| text.write_str(state));
        }
    }
}
