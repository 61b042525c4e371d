//! Runs the commands that build plugins.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};

use crate::exit::{Exit, Problem};

/// Leads the process group of a build, and ends all of it when nobody holds its standard input open any more: when the
/// build is cancelled, and when this process has died, SIGKILL included. A parent-death signal would end the shell only,
/// and come when a thread ends, not the process.
const GUARD: &str = "trap '' HUP INT TERM; read -r line; kill -TERM 0; sleep 1; kill -KILL 0";

/// How long a cancelled build has until it is killed is the second in [`GUARD`]; its shell is waited for a little longer.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs a build command in `folder`, in a process group of its own; its standard output and error go to standard error.
/// Dropped, it ends the group.
///
/// # Errors
/// Where it cannot be run or does not end well.
pub(super) async fn build(command: &str, folder: &Path) -> Result<(), Problem> {
    let ended = match Running::start(command, folder) {
        Ok(mut running) => running.end().await,
        Err(error) => Err(error),
    };
    let what = match ended {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`{command}` failed: {status}"),
        Err(error) => format!("failed to run `{command}`: {error}"),
    };
    Err(Problem::new(Exit::Configuration, what, remedy(command)).at("build"))
}

/// A build, with what ends it.
struct Running {
    shell: Child,
    guard: Child,
    /// The end that only this process holds.
    alive: Option<ChildStdin>,
}

impl Running {
    fn start(command: &str, folder: &Path) -> io::Result<Self> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).process_group(0).stdin(Stdio::piped());
        // Whoever reads our streams to the end does not wait for the guard.
        let mut guard = guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let alive = guard.stdin.take();
        let group =
            guard.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(|| io::Error::other("the guard ended"))?;
        let mut shell = Command::new("sh");
        // A compiler's output is for people; standard output is for what becomes of messages.
        let words = io::stderr().as_fd().try_clone_to_owned()?;
        shell.args(["-c", command]).current_dir(folder).process_group(group).stdin(Stdio::null()).stdout(words);
        Ok(Self { shell: shell.spawn()?, guard, alive })
    }

    /// What a build that has ended leaves running is its own affair.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let status = self.shell.wait().await?;
        self.guard.kill().await?;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guard acts.
        drop(self.alive.take());
        // Whoever waits for our end finds no build. Only the end of the process cancels one, so nothing else waits here.
        let began = Instant::now();
        while matches!(self.shell.try_wait(), Ok(None)) && began.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn remedy(command: &str) -> &'static str {
    if command.contains("wasm32-wasip2") {
        "see the output of the build above; if the target is missing: rustup target add wasm32-wasip2"
    } else {
        "see the output of the build above"
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// What the build wrote to this file, once it is there.
    async fn written(file: PathBuf) -> String {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    fn lives(id: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        // One that nobody has waited for yet has ended all the same.
        state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    #[tokio::test]
    async fn the_text_of_a_command_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("part"), "bytes").unwrap();
        for command in
            ["cat part > whole", "cat part > whole # with a comment", "cat part >whole\n", "(cat part) > whole;"]
        {
            build(command, folder.path()).await.unwrap();
            let whole = folder.path().join("whole");
            assert_eq!(std::fs::read_to_string(&whole).unwrap(), "bytes", "{command}");
            std::fs::remove_file(whole).unwrap();
        }
        let refused = build("exit 3", folder.path()).await.unwrap_err();
        assert_eq!(refused.what, "`exit 3` failed: exit status: 3");
    }

    #[tokio::test]
    async fn a_build_that_is_cancelled_ends_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        // The second hears no signal that can be ignored.
        let command = "(trap '' TERM; sh -c 'echo $PPID > deep; sleep 1000'; sleep 1000) & echo $$ > shell; wait";
        let mut building = Box::pin(build(command, folder.path()));
        let ids = async { [written(folder.path().join("deep")).await, written(folder.path().join("shell")).await] };
        let [deep, shell] = tokio::select! {
            ended = &mut building => panic!("{ended:?}"),
            ids = ids => ids,
        };
        assert!(lives(&deep) && lives(&shell));
        drop(building);
        assert!(!lives(&shell), "its end is waited for");
        while lives(&deep) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
