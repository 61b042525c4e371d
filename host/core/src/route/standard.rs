//! What the host writes on everything that leaves it, unless the handler has written it itself.

use std::fmt::Write;

use super::{Route, trace};
use crate::event::Trace;
use crate::message::{Headers, Message};
use crate::time::Time;

/// Their names.
const NAMES: [&str; 5] = ["timestamp", "source", trace::CORRELATION, trace::CAUSATION, trace::TRACEPARENT];

/// Bytes of all names and values where ids and names are as long as most.
const ROOM: usize = 256;

impl Route {
    pub(super) fn add_standard_headers(&self, headers: &mut Headers, message: &Message, trace: &Trace, now: Time) {
        let given = headers.texts(NAMES).map(|text| text.is_some());
        headers.reserve(NAMES.len(), ROOM);
        for (name, _) in NAMES.into_iter().zip(given).filter(|(_, given)| !given) {
            headers.push_written(name, |text| match name {
                "timestamp" => write!(text, "{now}"),
                "source" => text.write_str(&self.service),
                trace::CORRELATION => text.write_str(&trace.correlation),
                trace::CAUSATION => text.write_str(&message.id),
                _ => trace::write_child(text, trace, &self.name),
            });
        }
    }
}
