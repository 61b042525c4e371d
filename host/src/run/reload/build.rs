//! Runs the commands that build plugins.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::exit::{Exit, Problem};

/// Runs a build command in `folder`; the compiler's words go to standard error. Dropped, it ends the command.
///
/// # Errors
/// Where it cannot be run or does not end well.
pub async fn build(command: &str, folder: &Path) -> Result<(), Problem> {
    // A compiler's output is for people; standard output is for what becomes of messages.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} >&2")]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let what = match shell.status().await {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`{command}` ended with {status}"),
        Err(error) => format!("`{command}` cannot be run: {error}"),
    };
    Err(Problem::new(Exit::Configuration, what, remedy(command)).at("build"))
}

fn remedy(command: &str) -> &'static str {
    if command.contains("wasm32-wasip2") {
        "see what it says above; if the target is missing: rustup target add wasm32-wasip2"
    } else {
        "see what it says above"
    }
}
