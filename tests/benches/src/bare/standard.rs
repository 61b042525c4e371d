//! The headers that Cofferdam adds to each output: as long, and as different from message to message.

use std::fmt::Write as _;
use std::ops::Range;

use rdkafka::bindings::rd_kafka_message_t;

use super::guest::Header;

/// What no two messages have in common looks like this in a trace's ids.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Writes them, always into the same memory.
#[derive(Default)]
pub(super) struct Standard(String);

impl Standard {
    /// Those of the output of this message.
    pub(super) fn of(&mut self, message: &rd_kafka_message_t) -> [Header<'_>; 5] {
        let (partition, offset) = (message.partition, message.offset);
        let id = offset.unsigned_abs().wrapping_add(1).wrapping_mul(SCATTER);
        self.0.clear();
        let timestamp = self.write(format_args!("2026-11-22T05:00:{:06.3}Z", (offset % 60_000) as f64 / 1e3));
        let position = self.write(format_args!("bench-in-1a201aed66d-623b-2/{partition}/{offset}"));
        let parent = self.write(format_args!("00-{id:016x}{:016x}-{id:016x}-01", !id));
        let value = |range: Range<usize>| &self.0.as_bytes()[range];
        let header = |name, value| Header { name, value };
        [
            header("timestamp", value(timestamp)),
            header("source", b"bench"),
            header("correlation-id", value(position.clone())),
            header("causation-id", value(position)),
            header("traceparent", value(parent)),
        ]
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) -> Range<usize> {
        let start = self.0.len();
        self.0.write_fmt(text).expect("memory takes it");
        start..self.0.len()
    }
}
