//! What a test needs from the machine, and what happens if it is missing.

use std::io::Write;
use std::path::PathBuf;

/// The reason why a test cannot have what it needs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Need {
    /// This machine does not have it. The text is a remedy.
    #[error("{0}")]
    Missing(String),
    /// This machine has it, but it does not work. The text is the error.
    #[error("{0}")]
    Broken(String),
}

/// Returns the value, or `None` if this machine does not have it. In that case, prints one line to standard error, past
/// the capture of the test harness.
///
/// # Panics
/// The value is broken, or it is missing while `CI` is set, so that CI never skips a test silently.
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
            // If standard error is closed, nobody can read the line.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {what}");
            None
        }
    }
}

/// Returns the path of a program in `PATH`.
///
/// # Errors
/// [`Need::Missing`] if there is none.
pub fn program(name: &str) -> Result<PathBuf, Need> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Need::Missing(format!("no `{name}` in PATH, install it (Debian: apt-get install {name})")))
}
