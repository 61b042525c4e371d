//! What a test needs from the machine, and what happens where it is not there.

use std::io::Write;
use std::path::PathBuf;

/// Why a test cannot have what it needs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Need {
    /// This machine does not have it; the text says what would help.
    #[error("{0}")]
    Missing(String),
    /// This machine has it and it does not work; the text says how it failed.
    #[error("{0}")]
    Broken(String),
}

/// What was asked for, or `None` where this machine does not have it; then one line on standard error says so (past
/// the capture of the test harness).
///
/// # Panics
/// Where it is there and broken; and where it is missing while `CI` is set, so that nothing is skipped unseen.
#[track_caller]
pub fn or_say_so<T>(asked: Result<T, Need>) -> Option<T> {
    let need = match asked {
        Ok(there) => return Some(there),
        Err(need) => need,
    };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    match need {
        Need::Broken(how) => panic!("{how}"),
        Need::Missing(what) if std::env::var_os("CI").is_some() => panic!("in ci nothing may be missing: {what}"),
        Need::Missing(what) => {
            // Where even standard error is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {what}");
            None
        }
    }
}

/// Where a program of this name stands in `PATH`.
///
/// # Errors
/// [`Need::Missing`] where there is none.
pub fn program(name: &str) -> Result<PathBuf, Need> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Need::Missing(format!("no `{name}` in PATH, install it (Debian: apt-get install {name})")))
}
