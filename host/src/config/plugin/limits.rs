//! What one attempt may use.

use std::time::Duration;

use super::Table;
pub use crate::plugin::Limits;

/// Reads what is there; the rest stays as in `default`.
pub(super) fn limits(table: &Table<'_>, default: Limits) -> Limits {
    let time = |key, otherwise| {
        let bounds = Duration::from_millis(1)..=Duration::from_secs(3_600);
        table.get(key).and_then(|value| value.duration(bounds)).unwrap_or(otherwise)
    };
    let bytes = |key, bounds, otherwise| {
        let size = table.get(key).and_then(|value| value.size(bounds));
        size.and_then(|size| usize::try_from(size).ok()).unwrap_or(otherwise)
    };
    let count = |key, most, otherwise| table.get(key).and_then(|value| value.integer(0..=most)).unwrap_or(otherwise);
    let number =
        |key, most: usize, otherwise| table.get(key).and_then(|value| value.integer(0..=most)).unwrap_or(otherwise);
    Limits {
        memory: bytes("memory", 64 << 10..=1 << 30, default.memory),
        wall_time: time("wall_time", default.wall_time),
        cpu_time: time("cpu_time", default.cpu_time),
        outputs: number("outputs", 100_000, default.outputs),
        output_bytes: bytes("output_bytes", 0..=256 << 20, default.output_bytes),
        stack: bytes("stack", 64 << 10..=1 << 20, default.stack),
        table_elements: number("table_elements", 100_000, default.table_elements),
        host_calls: count("host_calls", 1_000_000_000, default.host_calls),
        log_lines: number("log_lines", 100_000, default.log_lines),
        log_bytes: bytes("log_bytes", 0..=64 << 20, default.log_bytes),
    }
}
