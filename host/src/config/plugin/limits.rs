//! What one attempt may use, and what the owner of the host lets it use.

use std::time::Duration;

use super::Table;
use crate::config::read::{show_duration, show_size};
pub use crate::plugin::Limits;

/// Reads what is there, within what the sandbox can keep; the rest stays as in `default`.
pub(in crate::config) fn limits(table: &Table<'_>, default: Limits) -> Limits {
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

/// The limits of a plugin, where the owner of the host allows `most`: what is written over it is a problem, and a
/// default comes down to it.
pub(super) fn limits_within(table: &Table<'_>, most: &Limits) -> Limits {
    let limits = limits(table, default_within(most));
    for ((name, amount, show), (_, most, _)) in amounts(&limits).into_iter().zip(amounts(most)) {
        if let Some(value) = table.get(name).filter(|_| amount > most) {
            let what = format!("{} exceeds sandbox.limits.{name} = {}", show(amount), show(most));
            value.problem(what, format!("lower it, or raise {name} under [sandbox.limits]"));
        }
    }
    limits
}

/// The limits of a plugin that says nothing of them.
pub(super) fn default_within(most: &Limits) -> Limits {
    let default = Limits::default();
    Limits {
        memory: default.memory.min(most.memory),
        wall_time: default.wall_time.min(most.wall_time),
        cpu_time: default.cpu_time.min(most.cpu_time),
        outputs: default.outputs.min(most.outputs),
        output_bytes: default.output_bytes.min(most.output_bytes),
        stack: default.stack.min(most.stack),
        table_elements: default.table_elements.min(most.table_elements),
        host_calls: default.host_calls.min(most.host_calls),
        log_lines: default.log_lines.min(most.log_lines),
        log_bytes: default.log_bytes.min(most.log_bytes),
    }
}

/// A limit by its name, as a number, and how that is shown.
type Amount = (&'static str, u64, fn(u64) -> String);

fn amounts(limits: &Limits) -> [Amount; 10] {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let time: fn(u64) -> String = |millis| show_duration(Duration::from_millis(millis));
    let count: fn(u64) -> String = |count| count.to_string();
    let size: fn(u64) -> String = show_size;
    [
        ("memory", limits.memory as u64, size),
        ("wall_time", millis(limits.wall_time), time),
        ("cpu_time", millis(limits.cpu_time), time),
        ("outputs", limits.outputs as u64, count),
        ("output_bytes", limits.output_bytes as u64, size),
        ("stack", limits.stack as u64, size),
        ("table_elements", limits.table_elements as u64, count),
        ("host_calls", limits.host_calls, count),
        ("log_lines", limits.log_lines as u64, count),
        ("log_bytes", limits.log_bytes as u64, size),
    ]
}
