//! Exit codes, and problems with location and remedy.

use std::any::Any;
use std::fmt;
use std::process::{ExitCode, Termination};

use crate::escape;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// Exit codes, from `sysexits.h` where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Success = 0,
    /// Invalid command line.
    Usage = 64,
    /// Invalid data.
    Data = 65,
    /// A broker or a store is unavailable.
    Unavailable = 69,
    /// The plugin failed in the sandbox or exceeded a limit, a promise was violated, or the host itself failed.
    Software = 70,
    /// Results could not be written to standard output.
    Output = 74,
    /// A temporary failure.
    TryAgain = 75,
    /// Invalid configuration.
    Configuration = 78,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// A problem that the user must solve: where it is, what it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The exit code of the process.
    pub exit: Exit,
    /// A file with line and column, a key path, or an address. Empty if unknown.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it. Empty if unknown.
    pub remedy: String,
}

impl Problem {
    /// Creates a problem without a location.
    pub fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit, place: String::new(), what: what.into(), remedy: remedy.into() }
    }

    /// Sets the location.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Self { place: place.into(), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", escape::lines(&self.place))?;
        }
        f.write_str(&escape::lines(&self.what))?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", escape::lines(&self.remedy))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Returns the message of a panic if it is text, else "no message".
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// `{"error": {"place", "what", "remedy"}}`
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            place: &'a str,
            what: &'a str,
            remedy: &'a str,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        let fields = Fields { place: &self.place, what: &self.what, remedy: &self.remedy };
        map.serialize_entry("error", &fields)?;
        map.end()
    }
}
