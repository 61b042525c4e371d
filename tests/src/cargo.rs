//! Builds with the cargo, the profile and the target folder that built the running test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the workspace")
}

/// The target folder of the running test.
pub(crate) fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let test = std::env::current_exe().expect("the running test has a path");
        // Cargo marks the root of a target folder with this file.
        let root = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        root.map_or_else(|| workspace().join("target"), Path::to_path_buf)
    })
}

/// The arguments that choose the profile of the running test.
pub(crate) fn profile() -> Vec<String> {
    let test = std::env::current_exe().expect("the running test has a path");
    let folder = test.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    match folder.and_then(Path::file_name).and_then(|name| name.to_str()) {
        None | Some("debug") => Vec::new(),
        Some(profile) => vec!["--profile".to_owned(), profile.to_owned()],
    }
}

/// Runs `cargo build` with these arguments and returns the files that the build depends on, including those of its
/// dependencies.
///
/// # Errors
/// The output of cargo.
pub(crate) fn build(arguments: &[String]) -> Result<Vec<PathBuf>, String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo build {} failed:\n{said}", arguments.join(" ")));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned());
    Ok(artifacts.flatten().filter_map(|name| name.as_str().map(PathBuf::from)).collect())
}
