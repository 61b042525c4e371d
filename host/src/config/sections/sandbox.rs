//! `[sandbox]`: upper bounds that the owner of the host sets for all plugins and their configuration.

use std::time::Duration;

use super::super::plugin::{Limits, limits};
use super::super::read::Table;
use crate::plugin::CompileBounds;

/// The section `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The upper bounds of the limits of all plugins.
    pub limits: Limits,
    /// The bounds for the compilation of one plugin.
    pub compile: CompileBounds,
}

impl Default for Sandbox {
    /// Allows as much memory as one uninterruptible instruction (`memory.fill`) fills in some 120 ms, and as much time
    /// as SQS allows for an attempt.
    fn default() -> Self {
        Self { limits: Limits::bounds(), compile: CompileBounds::default() }
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
