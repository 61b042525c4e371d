//! The guest's stack at the moment it failed.

use wasmtime::{FrameInfo, WasmBacktrace};

/// Frames that are kept, from the innermost.
pub(super) const FRAMES: usize = 16;

/// The longest name of a frame, bytes.
const NAME: usize = 200;

/// The names of the functions that were being run, innermost first; empty where the guest was not running.
pub(super) fn of(error: &wasmtime::Error) -> Vec<Box<str>> {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    frames.iter().take(FRAMES).map(name).collect()
}

/// Whether the error came up while the guest was running, in its code or in a host function it had called.
pub(super) fn is_from_guest(error: &wasmtime::Error) -> bool {
    error.is::<WasmBacktrace>()
}

/// Whether the innermost frames are a handful of functions that call each other over and over.
pub(super) fn is_recursion(error: &wasmtime::Error) -> bool {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let mut functions: Vec<u32> = frames.iter().map(FrameInfo::func_index).collect();
    functions.sort_unstable();
    functions.dedup();
    frames.len() == FRAMES && functions.len() <= FRAMES / 2
}

fn name(frame: &FrameInfo) -> Box<str> {
    let mut name = match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    name.truncate(name.floor_char_boundary(NAME));
    name.into()
}
