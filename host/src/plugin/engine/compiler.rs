//! The program that compiles plugins in a separate process, and converts core modules to components.
//!
//! Compilers are not hardened against malicious input: a crafted function can take much time and memory, and nothing inside
//! the process could stop that. So a child process compiles a plugin, with a lower priority than the rest of the machine.
//! The kernel and the host end it when it exceeds its bounds. It reads the plugin from standard input, writes the result to
//! standard output, and reports errors on standard error. It may use nothing else of the system; see `confine`.

pub(in crate::plugin) mod confine;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::core_module;
use super::image::Image;
use super::settings::{self, CompileBounds};
use crate::plugin::symbols::Symbols;

/// The kinds of work of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Compile a component, with its symbols.
    Compile,
    /// Convert a core module to a component.
    Wrap,
}

/// The exit codes of the compiler, unless it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::plugin) enum Ended {
    /// The input is invalid.
    Invalid = 65,
    /// The compiler could not start.
    Unable = 69,
    /// Memory was refused, and the compiler could still report it.
    OutOfMemory = 70,
}

/// The first argument of the program.
pub const COMMAND: &str = "compile";

/// The option to convert a core module instead of compiling.
const WRAP: &str = "--wrap";

/// Maximum number of compiling threads.
const THREADS: usize = 4;

/// The command that runs the program within `bounds`, with an empty environment.
pub(in crate::plugin) fn command(program: &Path, bounds: &CompileBounds, work: Work) -> Command {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let seconds = bounds.time.as_secs() + u64::from(bounds.time.subsec_nanos() > 0);
    let mut command = Command::new(program);
    command.args([COMMAND, "--seconds", &seconds.to_string(), "--memory", &bounds.memory.to_string()]);
    command.args((work == Work::Wrap).then_some(WRAP));
    command.env_clear().env("RAYON_NUM_THREADS", threads.to_string());
    // If the loader needs this variable to find libraries, the child needs it, too.
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    command
}

/// Runs the program: limits itself to `seconds` of CPU time and `memory` bytes, and does the work.
///
/// Returns the exit code of the process. Must be called before the process has further threads.
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
    // The parent sees the exit code even if this write fails.
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
