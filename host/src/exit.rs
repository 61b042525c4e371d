//! Exit codes, and problems with place and remedy.

use std::any::Any;
use std::fmt;
use std::process::{ExitCode, Termination};

use crate::escape;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The exit codes; those of `sysexits.h` where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Success = 0,
    /// Wrong usage.
    Usage = 64,
    /// The data is at fault.
    Data = 65,
    /// A broker or a store cannot be reached.
    Unavailable = 69,
    /// The plugin broke its bounds.
    Plugin = 70,
    /// Try again.
    TryAgain = 75,
    /// The configuration is at fault.
    Configuration = 78,
    /// Interrupted.
    Interrupted = 130,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Something in the way: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How the process ends because of it.
    pub exit: Exit,
    /// A file with line and column, a key path, an address; empty where there is none.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What would be right; empty where nobody can know.
    pub remedy: String,
}

impl Problem {
    /// A problem without a place.
    pub fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit, place: String::new(), what: what.into(), remedy: remedy.into() }
    }

    /// The same at a place.
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

/// What a panic said, if it was text.
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
