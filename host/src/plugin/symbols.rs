//! Debug information of a component for backtraces: names of functions, and lines of the source.
//!
//! The author of a plugin controls both, and reading them can cost much work. So they are read once within limits, when
//! the plugin is compiled, and stored with the code. A fault only looks them up.

mod lines;
pub(super) mod names;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::process_time;
use lines::Lines;

/// CPU time for demangling the names of one plugin; the remaining names stay mangled. Ten thousand C++ names take about
/// half a second.
const TIME: Duration = Duration::from_secs(2);
/// Maximum size of all stored names in bytes.
const BYTES: usize = 4 << 20;
/// Time between two checks of the CPU clock.
const LOOK: Duration = Duration::from_millis(5);

/// Maximum number of stored frames of a stack, from the innermost.
pub(super) const FRAMES: usize = 16;

/// Names and lines by offset in the component's file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Symbols {
    /// Offset of the body and demangled name of each function; only functions with a mangled name.
    functions: Vec<(u32, Box<str>)>,
    lines: Lines,
}

impl Symbols {
    /// Reads the lines of a valid component, and the names whose demangling takes time linear in their length; those of
    /// C++ do not.
    pub(super) fn of(component: &[u8]) -> Self {
        let mut symbols = Self { functions: Vec::new(), lines: Lines::of(component) };
        let mut room = BYTES;
        for (body, name) in names::mangled(component) {
            if let Some(name) = names::from_rust(name)
                && !symbols.keep(body, name, &mut room)
            {
                break;
            }
        }
        symbols
    }

    /// Reads C++ names too, as many as possible in [`TIME`]. Only for a process that does nothing else and ends soon:
    /// the thread that demangles a name cannot be stopped in another way.
    pub(super) fn with_cpp(component: &Arc<Vec<u8>>) -> Self {
        let (found, names) = mpsc::channel();
        let started = process_time();
        let theirs = Arc::clone(component);
        let work = move || {
            for (body, name) in names::mangled(&theirs) {
                let Some(name) = names::from_rust(name).or_else(|| names::from_cpp(name)) else { continue };
                // The receiver is dropped when the time is over.
                if found.send((body, name)).is_err() {
                    return;
                }
            }
        };
        // As large as the stack of a main thread. The limit on nesting keeps names within it.
        let started_thread = thread::Builder::new().name("names".into()).stack_size(8 << 20).spawn(work);
        if started_thread.is_err() {
            return Self::of(component);
        }
        let mut symbols = Self::default();
        let mut room = BYTES;
        while process_time() - started < TIME {
            match names.recv_timeout(LOOK) {
                Ok((body, name)) => {
                    if !symbols.keep(body, name, &mut room) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        symbols.lines = Lines::of(component);
        symbols
    }

    /// Stores the name and returns true, unless the limit would be exceeded.
    fn keep(&mut self, body: u32, name: Box<str>, room: &mut usize) -> bool {
        let Some(rest) = room.checked_sub(name.len()) else { return false };
        *room = rest;
        self.functions.push((body, name));
        true
    }

    /// Returns the name of the function whose body begins at `body` in the component's file; `None` if it was not
    /// mangled.
    pub(super) fn function(&self, body: usize) -> Option<&str> {
        let body = u32::try_from(body).ok()?;
        let at = self.functions.binary_search_by_key(&body, |(body, _)| *body).ok()?;
        Some(&self.functions[at].1)
    }

    /// Returns file and line of the instruction at `offset` in the component's file.
    pub(super) fn line(&self, offset: usize) -> Option<(&str, u32)> {
        self.lines.at(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with one function of this name.
    fn named(name: &str) -> Vec<u8> {
        wat::parse_str(format!(r#"(component (core module (func (@name "{name}"))))"#)).unwrap()
    }

    #[test]
    fn names_of_cpp_are_found_in_a_process_of_its_own_only() {
        let named = |name| Arc::new(named(name));
        let (rust, cpp) = (named("_ZN5probe6handle17h0123456789abcdefE"), named("_ZN5Price6handleERKSs"));
        let name = |symbols: &Symbols| symbols.functions.first().map(|(_, name)| name.to_string());
        assert_eq!(name(&Symbols::of(&rust)).as_deref(), Some("probe::handle"));
        assert_eq!(name(&Symbols::of(&cpp)), None);
        assert_eq!(name(&Symbols::with_cpp(&rust)).as_deref(), Some("probe::handle"));
        assert_eq!(name(&Symbols::with_cpp(&cpp)).as_deref(), Some("Price::handle(std::string const&)"));
    }
}
