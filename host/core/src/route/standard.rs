//! What the host writes on everything that leaves it, unless the handler has written it itself.

use std::fmt::{self, Write};

use bytes::{Bytes, BytesMut};

use super::{Route, trace};
use crate::event::Trace;
use crate::message::{Header, Kind, Message, text_header};
use crate::time::Time;

/// How many there are.
const HEADERS: usize = 5;

/// Bytes that all values take where ids and names are as long as most: they share one piece of memory.
const ROOM: usize = 256;

impl Route {
    pub(super) fn add_standard_headers(&self, headers: &mut Vec<Header>, message: &Message, trace: &Trace, now: Time) {
        headers.reserve_exact(HEADERS);
        let mut text = BytesMut::with_capacity(ROOM);
        let mut add = |name: &'static str, write: &dyn Fn(&mut BytesMut) -> fmt::Result| {
            if text_header(headers, name).is_none() {
                write(&mut text).expect("memory takes it");
                let value = Some(text.split().freeze());
                headers.push(Header { name: Bytes::from_static(name.as_bytes()), value, kind: Kind::Text });
            }
        };
        add("timestamp", &|text| write!(text, "{now}"));
        add("source", &|text| text.write_str(&self.service));
        add(trace::CORRELATION, &|text| text.write_str(&trace.correlation));
        add(trace::CAUSATION, &|text| text.write_str(&message.id));
        add(trace::TRACEPARENT, &|text| trace::write_child(text, trace, &self.name));
    }
}
