//! The guest's stack at the time of a failure. All names come from the guest: they are escaped and bounded here, so that
//! each frame is one line in every log. Nothing is demangled, because this code runs on the threads of guests, outside all
//! limits.
//!
//! Never display a [`WasmBacktrace`], nor an error chain that contains one: wasmtime demangles the names in it each time.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use wasmtime::{FrameInfo, WasmBacktrace};

use crate::escape::Escaped;
use crate::plugin::symbols::names::bounded;
use crate::plugin::symbols::{FRAMES, Symbols};

/// The names of the active functions, innermost first, with file and line if `symbols` contains them; empty if the guest was
/// not running.
pub(super) fn of(error: &wasmtime::Error, symbols: &Symbols) -> Vec<Box<str>> {
    frames(error).iter().take(FRAMES).map(|frame| shown(frame, symbols)).collect()
}

/// A digest of the instructions of all frames; `None` if the guest was not running.
pub(super) fn place(error: &wasmtime::Error) -> Option<u64> {
    digest(frames(error).iter().map(FrameInfo::module_offset).collect())
}

/// A digest of the set of active functions. It is equal for a recursion of any depth.
pub(super) fn functions(error: &wasmtime::Error) -> Option<u64> {
    let mut functions: Vec<_> = frames(error).iter().map(start).collect();
    functions.sort_unstable();
    functions.dedup();
    digest(functions)
}

/// Whether the error occurred while the guest was running, in its code or in a host function that it had called.
pub(super) fn is_from_guest(error: &wasmtime::Error) -> bool {
    error.is::<WasmBacktrace>()
}

/// Whether the innermost frames are a few functions that call each other repeatedly.
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

/// The offset of the function in the component's file, which may contain several modules.
fn start(frame: &FrameInfo) -> Option<usize> {
    Some(frame.module_offset()? - frame.func_offset()?)
}

fn digest(places: Vec<Option<usize>>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    places.hash(&mut hasher);
    (!places.is_empty()).then(|| hasher.finish())
}

fn shown(frame: &FrameInfo, symbols: &Symbols) -> Box<str> {
    let name = start(frame).and_then(|body| symbols.function(body)).or_else(|| frame.func_name());
    let name = match name {
        Some(name) => bounded(Escaped(&bounded(name))),
        None => format!("function {}", frame.func_index()),
    };
    match frame.module_offset().and_then(|offset| symbols.line(offset)) {
        Some((file, line)) => format!("{name} at {}:{line}", bounded(Escaped(file))).into(),
        None => name.into(),
    }
}
