//! Crates of this workspace, built as WebAssembly components.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::cargo;

const TARGET: &str = "wasm32-wasip2";

/// Builds a crate of this workspace for `wasm32-wasip2`, once in a test process, and returns the file of the component.
///
/// # Panics
/// The build fails; the message contains the output of cargo. If the target is not installed, the message contains the
/// command that installs it.
pub fn guest(package: &str) -> PathBuf {
    built(package, "guest")
}

/// As [`guest`], with debug information, so that backtraces contain source lines.
///
/// # Panics
/// As [`guest`].
pub fn guest_with_lines(package: &str) -> PathBuf {
    built(package, "guest-lines")
}

fn built(package: &str, profile: &'static str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<(String, &str), PathBuf>>> = Mutex::new(None);
    // A panic during a build does not change the map.
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let built = built.get_or_insert_default();
    if let Some(component) = built.get(&(package.to_owned(), profile)) {
        return component.clone();
    }
    require_target();
    // A separate target folder, because cargo may hold the lock of the main one while guests are built.
    let folder = cargo::target().join("guests");
    let folder = folder.to_str().expect("the target folder has a name in unicode");
    let arguments = ["--package", package, "--profile", profile, "--target", TARGET, "--target-dir", folder];
    let files = cargo::build(&arguments.map(str::to_owned)).unwrap_or_else(|failure| panic!("{failure}"));
    let stems = [package.to_owned(), package.replace('-', "_")];
    let is_component = |file: &Path| {
        file.extension().is_some_and(|extension| extension == "wasm")
            && file.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stems.iter().any(|it| it == stem))
    };
    let component = files.into_iter().find(|file| is_component(file));
    let component =
        component.unwrap_or_else(|| panic!("`{package}` builds no component: is it a `cdylib` or a program?"));
    built.insert((package.to_owned(), profile), component.clone());
    component
}

fn require_target() {
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = output.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let installed = libraries.is_ok_and(|folder| folder.is_dir());
    assert!(installed, "the standard library for {TARGET} is missing, install it: rustup target add {TARGET}");
}
