//! The program that compiles plugins apart from the host, and makes components of core modules.
//!
//! Compilers are not made for input that means harm: a function of 4 MB keeps one busy for half a minute and takes
//! 1.4 GB, and nothing inside the process could stop it. So a plugin is compiled by a child, which gives way to the
//! rest of the machine, and which the kernel and the host end when it goes over its bounds. It reads the plugin from
//! standard input, writes what it makes to standard output, and says on standard error why there is nothing. Of the
//! system it may use nothing else, see `confine`.

pub(in crate::plugin) mod confine;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::core_module;
use super::image::Image;
use super::settings::{self, CompileBounds};
use crate::plugin::symbols::Symbols;

/// What the program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Code of a component, with its symbols.
    Compile,
    /// A component, of a core module.
    Wrap,
}

/// How the compiler ends when it is not killed, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::plugin) enum Ended {
    /// What it was given is not valid.
    Invalid = 65,
    /// It could not begin.
    Unable = 69,
    /// Memory was refused, and it lived to say so.
    OutOfMemory = 70,
}

/// The first argument of the program.
pub const COMMAND: &str = "compile";

/// Has it make a component, not code.
const WRAP: &str = "--wrap";

/// The threads that compile, at most.
const THREADS: usize = 4;

/// The program with its arguments, within `bounds`. It gets nothing of our environment.
pub(in crate::plugin) fn command(program: &Path, bounds: &CompileBounds, work: Work) -> Command {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let seconds = bounds.time.as_secs() + u64::from(bounds.time.subsec_nanos() > 0);
    let mut command = Command::new(program);
    command.args([COMMAND, "--seconds", &seconds.to_string(), "--memory", &bounds.memory.to_string()]);
    command.args((work == Work::Wrap).then_some(WRAP));
    command.env_clear().env("RAYON_NUM_THREADS", threads.to_string());
    // Where the loader was told where libraries are, the same program needs it once more.
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    command
}

/// What the program does: confines itself to `seconds` of processor and `memory` bytes, and works.
///
/// Returns the exit code of the process. Must be called first in it, before there are other threads.
pub fn main(seconds: u64, memory: u64, work: Work) -> u8 {
    let (ended, words) = match prepare(seconds, memory) {
        Err(words) => (Ended::Unable, words),
        Ok(plugin) => match make(work, plugin) {
            Ok(made) => match io::stdout().write_all(&made).and_then(|()| io::stdout().flush()) {
                Ok(()) => return 0,
                Err(error) => (Ended::Unable, format!("failed to write the compiled plugin: {error}")),
            },
            Err(error) if is_out_of_memory(&error) => (Ended::OutOfMemory, String::new()),
            Err(error) => (Ended::Invalid, format!("{error:#}")),
        },
    };
    // Whoever started it sees the exit code in any case.
    let _ = io::stderr().write_all(words.as_bytes());
    ended as u8
}

/// Confines the process, and reads the plugin.
fn prepare(seconds: u64, memory: u64) -> Result<Vec<u8>, String> {
    let unbounded = |error: io::Error| format!("failed to set resource limits: {error}");
    confine::close_inherited();
    confine::bound(seconds, memory).map_err(unbounded)?;
    let mut plugin = Vec::new();
    io::stdin().read_to_end(&mut plugin).map_err(|error| format!("failed to read the plugin: {error}"))?;
    confine::bound_output(plugin.len()).map_err(unbounded)?;
    confine::expect_one_thread().map_err(unbounded)?;
    confine::shut_in().map_err(unbounded)?;
    Ok(plugin)
}

fn make(work: Work, plugin: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
    match work {
        Work::Compile => {
            let code = settings::compiler()?.precompile_component(&plugin)?;
            Ok(Image::new(code, &Symbols::with_cpp(&Arc::new(plugin)))?.into_bytes())
        }
        Work::Wrap => core_module::wrap(&plugin).map_err(wasmtime::Error::from_anyhow),
    }
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::OutOfMemory>()
        || error.chain().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
        })
}
