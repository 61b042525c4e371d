//! Runs the commands that build plugins.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};

use crate::exit::{Exit, Problem};

/// Shell script of the guard, the leader of a build's process group. It ends the whole group when its standard input closes:
/// when the build is cancelled, or when this process dies, also by SIGKILL. A parent-death signal is no alternative: it ends
/// only the shell, and it fires when a thread ends, not the process.
const GUARD: &str = "trap '' HUP INT TERM; read -r line; kill -TERM 0; sleep 1; kill -KILL 0";

/// Maximum time to wait for the shell of a cancelled build. The guard kills the group after the second in [`GUARD`].
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs a build command in `folder`, in its own process group. Its standard output and error go to standard error. Dropping
/// the future ends the group.
///
/// # Errors
/// The command cannot be run, or fails.
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

/// A running build and its guard.
struct Running {
    shell: Child,
    guard: Child,
    /// The write end of the guard's standard input. No other process has it.
    alive: Option<ChildStdin>,
}

impl Running {
    fn start(command: &str, folder: &Path) -> io::Result<Self> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).process_group(0).stdin(Stdio::piped());
        // Without the inherited streams, a reader of our output does not wait for the guard.
        let mut guard = guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let alive = guard.stdin.take();
        let group =
            guard.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(|| io::Error::other("the guard ended"))?;
        let mut shell = Command::new("sh");
        // Compiler output is for people; standard output is for the results of messages.
        let words = io::stderr().as_fd().try_clone_to_owned()?;
        shell.args(["-c", command]).current_dir(folder).process_group(group).stdin(Stdio::null()).stdout(words);
        Ok(Self { shell: shell.spawn()?, guard, alive })
    }

    /// Waits for the command. Processes that it leaves running are not ended.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let status = self.shell.wait().await?;
        self.guard.kill().await?;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guard now ends the process group.
        drop(self.alive.take());
        // The build must have ended before this process does. Builds are cancelled only when the process ends, so blocking
        // here delays nothing else.
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

    /// Waits until the build has written this file, and returns its content.
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
        // A zombie counts as ended.
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
        // The second process ignores every signal that can be ignored.
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
