//! `[sandbox]`: what the owner of the host lets plugins have, whoever wrote them and their configuration.

use std::time::Duration;

use super::super::plugin::{Limits, limits};
use super::super::read::Table;
use crate::plugin::CompileBounds;

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The most that the limits of a plugin may be.
    pub limits: Limits,
    /// What compiling one plugin may take.
    pub compile: CompileBounds,
}

impl Default for Sandbox {
    /// As much memory as an instruction that nothing interrupts (`memory.fill`) fills in some 120 ms; as much time as SQS
    /// leaves to an attempt.
    fn default() -> Self {
        let limits = Limits {
            memory: 256 << 20,
            wall_time: Duration::from_secs(15 * 60),
            cpu_time: Duration::from_secs(15 * 60),
            outputs: 100_000,
            output_bytes: 64 << 20,
            stack: 1 << 20,
            table_elements: 100_000,
            host_calls: 10_000_000,
            log_lines: 100_000,
            log_bytes: 16 << 20,
        };
        Self { limits, compile: CompileBounds::default() }
    }
}

pub(in crate::config) fn sandbox(file: &Table<'_>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    if let Some(section) = file.get("sandbox") {
        section.table("[sandbox]", |table| {
            let most = table.get("limits");
            let most = most
                .and_then(|most| most.table("{ memory = \"128MiB\" }", |table| limits(table, sandbox.limits.clone())));
            sandbox.limits = most.unwrap_or(sandbox.limits.clone());
            if let Some(bounds) = table.get("compile") {
                bounds.table("{ memory = \"2GiB\" }", |table| compile(table, &mut sandbox.compile));
            }
        });
    }
    sandbox
}

fn compile(table: &Table<'_>, bounds: &mut CompileBounds) {
    let size = table.get("size").and_then(|value| value.size(1 << 10..=1 << 30));
    let range = Duration::from_secs(1)..=Duration::from_secs(3_600);
    let time = table.get("time").and_then(|value| value.duration(range));
    let memory = table.get("memory").and_then(|value| value.size(64 << 20..=64 << 30));
    bounds.size = size.unwrap_or(bounds.size);
    bounds.time = time.unwrap_or(bounds.time);
    bounds.memory = memory.unwrap_or(bounds.memory);
}
