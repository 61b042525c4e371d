//! The guest's stack at the moment it failed. All names are the guest's own choice: they are escaped and bounded here,
//! so that a line of a backtrace is a line wherever it is read.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
use wasmtime::{FrameInfo, WasmBacktrace};

use super::lines::Lines;
use super::logs::Escaped;

/// Frames that are kept, from the innermost.
pub(super) const FRAMES: usize = 16;

/// The longest name of a function, bytes.
const NAME: usize = 200;

/// The longest name that is demangled, bytes; short ones can stand for names without end.
const MANGLED: usize = 4 << 10;

/// The names of the functions that were being run, innermost first, with file and line where `lines` knows them;
/// empty where the guest was not running.
pub(super) fn of(error: &wasmtime::Error, lines: &Lines) -> Vec<Box<str>> {
    frames(error).iter().take(FRAMES).map(|frame| shown(frame, lines)).collect()
}

/// Where the guest was: the instructions of all frames. `None` where it was not running.
pub(super) fn place(error: &wasmtime::Error) -> Option<u64> {
    digest(frames(error).iter().map(FrameInfo::module_offset).collect())
}

/// The functions that the guest was in. The same for a recursion, however deep it was and wherever it ended.
pub(super) fn functions(error: &wasmtime::Error) -> Option<u64> {
    let mut functions: Vec<_> = frames(error).iter().map(start).collect();
    functions.sort_unstable();
    functions.dedup();
    digest(functions)
}

/// Whether the error came up while the guest was running, in its code or in a host function it had called.
pub(super) fn is_from_guest(error: &wasmtime::Error) -> bool {
    error.is::<WasmBacktrace>()
}

/// Whether the innermost frames are a handful of functions that call each other over and over.
pub(super) fn is_recursion(error: &wasmtime::Error) -> bool {
    let frames = frames(error);
    let mut functions: Vec<u32> = frames.iter().map(FrameInfo::func_index).collect();
    functions.sort_unstable();
    functions.dedup();
    frames.len() == FRAMES && functions.len() <= FRAMES / 2
}

fn frames(error: &wasmtime::Error) -> &[FrameInfo] {
    error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames)
}

/// Offsets are those in the component's file, which has several modules.
fn start(frame: &FrameInfo) -> Option<usize> {
    Some(frame.module_offset()? - frame.func_offset()?)
}

fn digest(places: Vec<Option<usize>>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    places.hash(&mut hasher);
    (!places.is_empty()).then(|| hasher.finish())
}

fn shown(frame: &FrameInfo, lines: &Lines) -> Box<str> {
    let name = match frame.func_name() {
        Some(name) => bounded(Escaped(&demangled(name))),
        None => format!("function {}", frame.func_index()),
    };
    match frame.module_offset().and_then(|offset| lines.at(offset)) {
        Some((file, line)) => format!("{name} at {}:{line}", bounded(Escaped(file))).into(),
        None => name.into(),
    }
}

/// As it stands in the source, of Rust (both manglings) and C++; other names as they are.
fn demangled(name: &str) -> String {
    if name.len() > MANGLED {
        return bounded(name);
    }
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return bounded(format_args!("{rust:#}"));
    }
    let parse = ParseOptions::default().recursion_limit(RECURSION);
    if name.starts_with("_Z")
        && let Ok(symbol) = Symbol::new_with_options(name, &parse)
    {
        let mut text = Bounded::default();
        let written = symbol.structured_demangle(&mut text, &DemangleOptions::new().recursion_limit(RECURSION));
        if written.is_ok() || text.is_full() {
            return text.0;
        }
    }
    bounded(name)
}

/// How deep a C++ name may be nested.
const RECURSION: u32 = 64;

fn bounded(text: impl fmt::Display) -> String {
    let mut bounded = Bounded::default();
    // It fails when it is full: whoever writes is to stop.
    let _ = write!(bounded, "{text}");
    bounded.0
}

/// Takes the first [`NAME`] bytes.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    /// Up to one character of four bytes may have found no room.
    fn is_full(&self) -> bool {
        self.0.len() > NAME - 4
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() <= room { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source() {
        for (mangled, name) in [
            ("_ZN5probe6handle17h0123456789abcdefE", "probe::handle"),
            ("_RNvCs1234_5probe6handle", "probe::handle"),
            ("_ZN5Price6handleERKSs", "Price::handle(std::string const&)"),
            ("_ZSt4swapIiEvRT_S1_", "void std::swap<int>(int&, int&)"),
            ("handle", "handle"),
            ("_Zebra", "_Zebra"),
        ] {
            assert_eq!(demangled(mangled), name);
        }
    }

    #[test]
    fn a_name_without_end_is_cut() {
        // Each template argument is the pair of the one before with itself: 2 to the power of 40 in the end.
        let pairs: String =
            (0..40).map(|number| if number == 0 { "S_".into() } else { format!("S{number}_") }).collect();
        for name in [
            "x".repeat(1 << 20),
            format!("_ZN{}E", "4name".repeat(1000)),
            format!("_Z1f1A{pairs}"),
            format!("_RINvC1a1f{}E", "T".repeat(4000)),
            format!("_RNv{}C1a1f", "B_".repeat(1000)),
        ] {
            let shown = demangled(&name);
            assert!(!shown.is_empty() && shown.len() <= NAME, "{} bytes", shown.len());
        }
    }
}
