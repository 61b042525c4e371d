//! Compiles in a separate process, which is killed when it exceeds its limits.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::plugin::engine::compiler::{Ended, Work, command, confine};
use crate::plugin::engine::settings::CompileBounds;
use crate::plugin::load::refusal::Refusal;

/// The exit code of a program whose main thread panicked.
const PANIC: i32 = 101;

/// Maximum size of the compiler's standard error that is read, in bytes.
const WORDS: u64 = 4 << 10;

/// Returns the output of `program` for the input `bytes`. `invalid` makes the refusal if the program reports invalid
/// input. Blocks for at most twice the time of `bounds`.
pub(super) fn run(
    program: &Path,
    bounds: &CompileBounds,
    work: Work,
    bytes: &[u8],
    invalid: impl FnOnce(String) -> Refusal,
) -> Result<Vec<u8>, Refusal> {
    let unable = |error: io::Error| Refusal::Compiler { reason: error.to_string() };
    let (made, words, status) = start(command(program, bounds, work), bounds, bytes).map_err(unable)?;
    let words = String::from_utf8_lossy(&words);
    let Some(status) = status else { return Err(Refusal::CompileTime { limit: bounds.time }) };
    match (status.code(), status.signal().and_then(Signal::from_named_raw)) {
        (Some(0), _) => Ok(made),
        (Some(code), _) if code == Ended::Invalid as i32 => Err(invalid(words.into_owned())),
        (Some(code), _) if code == Ended::OutOfMemory as i32 => Err(Refusal::CompileMemory { limit: bounds.memory }),
        (_, Some(Signal::XCPU)) => Err(Refusal::CompileTime { limit: bounds.time }),
        // The text that Rust prints if an allocation fails, the panic text of the compiler's collections, and an output
        // file over its limit.
        (_, Some(Signal::ABORT)) if words.contains("memory allocation of") => {
            Err(Refusal::CompileMemory { limit: bounds.memory })
        }
        (Some(PANIC), _) if words.contains("out of memory") => Err(Refusal::CompileMemory { limit: bounds.memory }),
        (_, Some(Signal::XFSZ)) => Err(Refusal::CompileMemory { limit: bounds.memory }),
        _ => Err(Refusal::Compiler { reason: format!("{status}: {words}") }),
    }
}

/// Returns output, standard error and exit status; the status is `None` if the process had to be killed.
///
/// The streams are files in memory, so no pipe must be read or written while the process runs.
fn start(
    mut command: Command,
    bounds: &CompileBounds,
    bytes: &[u8],
) -> io::Result<(Vec<u8>, Vec<u8>, Option<ExitStatus>)> {
    let (mut plugin, mut made, mut words) = (memory_file()?, memory_file()?, memory_file()?);
    plugin.write_all(bytes)?;
    plugin.rewind()?;
    command.stdin(plugin).stdout(made.try_clone()?).stderr(words.try_clone()?);
    let mut running = Running(command.spawn()?);
    let status = running.wait(bounds.time.saturating_mul(2))?;
    let read = |file: &mut File, most: u64| {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.take(most).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    Ok((read(&mut made, confine::output(bytes.len()))?, read(&mut words, WORDS)?, status))
}

fn memory_file() -> io::Result<File> {
    Ok(memfd_create("cofferdam-compile", MemfdFlags::CLOEXEC)?.into())
}

/// A child process that is killed when this is dropped.
struct Running(Child);

impl Running {
    /// Returns the exit status; `None` if the process is still running after `limit`.
    fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let ended = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty())?;
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left)) {
                Ok(0) => return Ok(None),
                Ok(_) => return self.0.wait().map(Some),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the process has ended and its status was read.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
