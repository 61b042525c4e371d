//! What one attempt may use.

use std::time::Duration;

use super::Table;

/// Bounds of one attempt, and of the instance that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All memories and tables of an instance together, bytes, 64 KiB to 1 GiB; 64 MiB.
    pub memory: u64,
    /// From the call to its end, time in host calls included, 1 ms to 1 h; 5 s.
    pub wall_time: Duration,
    /// What the guest itself burns, 1 ms to 1 h; 1 s.
    pub cpu_time: Duration,
    /// Outputs of one attempt, 0 to 100,000; 1000.
    pub outputs: u64,
    /// Bytes of all outputs of one attempt, 0 to 256 MiB; 4 MiB.
    pub output_bytes: u64,
    /// Call stack of the guest, bytes, 64 KiB to 1 MiB; 256 KiB.
    pub stack: u64,
    /// Elements of all tables of an instance together, 0 to 100,000; 20,000.
    pub table_elements: u64,
    /// Calls of the guest to the host, 0 to 1,000,000,000; 100,000.
    pub host_calls: u64,
    /// Log lines that are kept, 0 to 100,000; 1000.
    pub log_lines: u64,
    /// Bytes of the log lines that are kept, 0 to 64 MiB; 256 KiB.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            wall_time: Duration::from_secs(5),
            cpu_time: Duration::from_secs(1),
            outputs: 1000,
            output_bytes: 4 << 20,
            stack: 256 << 10,
            table_elements: 20_000,
            host_calls: 100_000,
            log_lines: 1000,
            log_bytes: 256 << 10,
        }
    }
}

pub(super) fn limits(table: &Table<'_>) -> Limits {
    let default = Limits::default();
    let time = |key, otherwise| {
        let bounds = Duration::from_millis(1)..=Duration::from_secs(3_600);
        table.get(key).and_then(|value| value.duration(bounds)).unwrap_or(otherwise)
    };
    let bytes = |key, bounds, otherwise| table.get(key).and_then(|value| value.size(bounds)).unwrap_or(otherwise);
    let count = |key, most, otherwise| table.get(key).and_then(|value| value.integer(0..=most)).unwrap_or(otherwise);
    Limits {
        memory: bytes("memory", 64 << 10..=1 << 30, default.memory),
        wall_time: time("wall_time", default.wall_time),
        cpu_time: time("cpu_time", default.cpu_time),
        outputs: count("outputs", 100_000, default.outputs),
        output_bytes: bytes("output_bytes", 0..=256 << 20, default.output_bytes),
        stack: bytes("stack", 64 << 10..=1 << 20, default.stack),
        table_elements: count("table_elements", 100_000, default.table_elements),
        host_calls: count("host_calls", 1_000_000_000, default.host_calls),
        log_lines: count("log_lines", 100_000, default.log_lines),
        log_bytes: bytes("log_bytes", 0..=64 << 20, default.log_bytes),
    }
}
