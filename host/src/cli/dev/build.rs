//! Builds plugins before they are loaded.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::config::Config;
use crate::exit::{Exit, Problem};

/// Runs each build command of the configuration once, in its folder; the compiler's words go to standard error.
pub(super) fn build(config: &Config, folder: &Path) -> Result<(), Vec<Problem>> {
    let commands: BTreeSet<&str> = config.plugins.values().filter_map(|plugin| plugin.build.as_deref()).collect();
    let mut problems = Vec::new();
    for command in commands {
        eprintln!("build: {command}");
        // A compiler's output is for people; standard output is for what becomes of messages.
        let status = Command::new("sh").args(["-c", &format!("{command} >&2")]).current_dir(folder).status();
        let what = match status {
            Ok(status) if status.success() => continue,
            Ok(status) => format!("`{command}` ended with {status}"),
            Err(error) => format!("`{command}` cannot be run: {error}"),
        };
        problems.push(Problem::new(Exit::Configuration, what, remedy(command)).at("build"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn remedy(command: &str) -> &'static str {
    if command.contains("wasm32-wasip2") {
        "see what it says above; if the target is missing: rustup target add wasm32-wasip2"
    } else {
        "see what it says above"
    }
}
