//! The `cofferdam` binary as a child process.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{cargo, children, wait};

/// The number of lines that are kept of each stream of a child; older lines are dropped.
const KEPT_LINES: usize = 200_000;

/// Prepares `cofferdam` with these arguments. `AWS_*` variables with made-up credentials are set, so that a client
/// without real ones can talk to a local SQS server.
pub fn host<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Prepared {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let aws = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", crate::sqs::REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let mut environment = aws.map(|(name, value)| (name.into(), value.into())).to_vec();
    // Keep the cache of `invoke` out of the user's home folder.
    environment.push(("XDG_CACHE_HOME".into(), cargo::target().join("tmp/cache").into()));
    Prepared { program: None, arguments, environment, current_dir: None, listens: false, _folder: None }
}

/// Prepares another program with these arguments.
pub fn program<A: AsRef<OsStr>>(path: &Path, arguments: impl IntoIterator<Item = A>) -> Prepared {
    Prepared { program: Some(path.to_owned()), ..host(arguments) }
}

/// Prepares `cofferdam run --json` with a configuration, which is written to a new folder.
pub fn run(configuration: &str) -> Prepared {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("cofferdam.toml");
    std::fs::write(&file, configuration).expect("a temporary file can be written");
    let arguments = ["run".as_ref(), "--config".as_ref(), file.as_os_str(), "--json".as_ref()];
    Prepared { _folder: Some(folder), ..host(arguments) }
}

/// Returns the path of the binary. It is built once in a test process with the profile of the test, unless
/// `COFFERDAM_BIN` names another one.
///
/// # Panics
/// The build fails; the message contains the output of cargo.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("COFFERDAM_BIN") {
            return PathBuf::from(given);
        }
        let folder = cargo::target().to_str().expect("the target folder has a name in unicode").to_owned();
        // Build the whole workspace, so that the features of the dependencies are those of `cargo test --workspace`.
        // With the package alone they differ a little, and wasmtime would be built a second time.
        let arguments = ["--workspace", "--bin", "cofferdam", "--target-dir", &folder].map(str::to_owned);
        let files = cargo::build(&[&arguments, cargo::profile().as_slice()].concat())
            .unwrap_or_else(|failure| panic!("{failure}"));
        let name = format!("cofferdam{}", std::env::consts::EXE_SUFFIX);
        files.into_iter().find(|file| file.ends_with(&name)).expect("cargo names the binary it has built")
    })
}

/// A child process that is not started yet.
pub struct Prepared {
    /// The program; `None` means `cofferdam`.
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    listens: bool,
    _folder: Option<TempDir>,
}

impl Prepared {
    /// Sets an environment variable of the child.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Prepared {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Prepared {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Uses the same configuration for another command, without `--json`.
    ///
    /// # Panics
    /// The child was not prepared with [`run`].
    pub fn instead_of_run(mut self, command: &str) -> Prepared {
        assert_eq!(self.arguments[0], "run");
        self.arguments[0] = command.into();
        self.arguments.retain(|argument| argument != "--json");
        self
    }

    /// Uses another binary.
    pub fn by(self, program: &Path) -> Prepared {
        Prepared { program: Some(program.to_owned()), ..self }
    }

    /// Starts the child in this folder instead of that of the test.
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Prepared {
        self.current_dir = Some(folder.into());
        self
    }

    /// Gives the child a standard input, for [`Host::tell`].
    pub fn listening(mut self) -> Prepared {
        self.listens = true;
        self
    }

    /// Starts the child.
    ///
    /// # Panics
    /// The binary does not build or cannot be started.
    pub fn start(self) -> Host {
        let (mut child, stdout, stderr) = self.spawn();
        let stdin = child.stdin.take();
        Host { prepared: self, child, stdin, stdout, stderr }
    }

    fn spawn(&self) -> (Child, Lines, Lines) {
        let mut command = Command::new(self.program.as_deref().unwrap_or_else(|| binary()));
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(if self.listens { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = &self.current_dir {
            command.current_dir(folder);
        }
        let mut child = children::spawn(command).expect("the binary that was just built can be started");
        let stdout = Lines::follow(child.stdout.take().expect("standard output is piped"));
        let stderr = Lines::follow(child.stderr.take().expect("standard error is piped"));
        (child, stdout, stderr)
    }
}

/// A running `cofferdam`. It is killed when this is dropped, and when the test process ends.
pub struct Host {
    prepared: Prepared,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

/// The exit status of a child, and its output.
pub struct Ended {
    /// The exit code or signal.
    pub status: ExitStatus,
    /// The lines of standard output.
    pub stdout: Vec<String>,
    /// The lines of standard error.
    pub stderr: Vec<String>,
}

impl Host {
    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, for example [`Signal::TERM`]. Does nothing if the child has ended.
    pub fn signal(&mut self, signal: Signal) {
        // After a wait, another process may have the same id.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), signal); // it may have ended in between
        }
    }

    /// Kills the child, as in a crash, and waits until it has ended.
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // fails only if it has ended
        let _ = self.child.wait();
    }

    /// Starts the child again with the same arguments and folders, after killing it if it still runs. Its earlier
    /// output is dropped.
    ///
    /// # Panics
    /// The child cannot be started.
    pub fn restart(&mut self) {
        self.kill();
        (self.child, self.stdout, self.stderr) = self.prepared.spawn();
        self.stdin = self.child.stdin.take();
    }

    /// Writes a line to the standard input of the child.
    ///
    /// # Panics
    /// The child has no standard input; see [`Prepared::listening`].
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it was given a standard input");
        writeln!(stdin, "{line}").expect("it reads its standard input");
    }

    /// Stops the process (SIGSTOP), as on an overloaded machine. Its connections stay open.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Continues the process (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Returns the private memory that the process uses, in bytes (Linux).
    ///
    /// # Panics
    /// The child has ended.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns the peak of the private memory that the process used, in bytes (Linux).
    ///
    /// # Panics
    /// The child has ended.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes");
        kilobytes << 10
    }

    /// Returns the number of open file descriptors, connections included (Linux).
    ///
    /// # Panics
    /// The child has ended.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs").count()
    }

    /// Returns the lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    /// Returns the lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Waits for a line that contains this text on standard output or standard error, and returns the line.
    ///
    /// # Panics
    /// There is no such line after `within`.
    pub async fn says(&self, text: &str, within: Duration) -> String {
        wait::eventually(&format!("cofferdam says {text:?}"), within, async || {
            [&self.stdout, &self.stderr].into_iter().find_map(|lines| lines.with(text))
        })
        .await
    }

    /// Waits for this number of lines that contain `text`, and returns the last of them.
    ///
    /// # Panics
    /// There are fewer such lines after `within`.
    pub async fn says_times(&self, text: &str, times: usize, within: Duration) -> String {
        wait::eventually(&format!("cofferdam says {text:?} {times} times"), within, async || {
            let lines = [&self.stdout, &self.stderr].into_iter().flat_map(Lines::so_far);
            lines.filter(|line| line.contains(text)).nth(times - 1)
        })
        .await
    }

    /// Waits until the child ends by itself.
    ///
    /// # Panics
    /// The child still runs after `within`.
    pub async fn wait(mut self, within: Duration) -> Ended {
        self.ended(within).await
    }

    /// Requests a stop and waits until the child has ended. It can be started again.
    ///
    /// # Panics
    /// The child still runs after `within`.
    pub async fn stop(&mut self, within: Duration) -> Ended {
        self.signal(Signal::TERM);
        self.ended(within).await
    }

    async fn ended(&mut self, within: Duration) -> Ended {
        let status = wait::eventually("cofferdam ends", within, async || {
            self.child.try_wait().expect("the state of a child can be asked for")
        })
        .await;
        // The streams end with the process, unless a grandchild holds them open.
        wait::eventually("its output is read to the end", Duration::from_secs(10), async || {
            (self.stdout.at_end() && self.stderr.at_end()).then_some(())
        })
        .await;
        Ended { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.stderr();
            let last = &said[said.len().saturating_sub(50)..];
            eprintln!("the last that cofferdam said on standard error:\n{}", last.join("\n"));
        }
    }
}

impl Ended {
    /// Returns the exit code; `None` if a signal ended the child.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the totals: the last line of standard output, as JSON.
    ///
    /// # Panics
    /// The child printed no totals.
    #[track_caller]
    pub fn account(&self) -> Value {
        let line = self.stdout.last().map_or("", String::as_str);
        let account = serde_json::from_str(line);
        account.unwrap_or_else(|error| {
            panic!("no account at the end of standard output, {error}: {line:?}\n{}", self.stderr.join("\n"))
        })
    }
}

/// The lines of one stream. A thread reads them, so that the child never blocks on a full pipe.
struct Lines(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    lines: VecDeque<String>,
    at_end: bool,
}

impl Lines {
    fn follow(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines(Arc::default());
        let shared = Lines(Arc::clone(&lines.0));
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let mut read = shared.read();
                if read.lines.len() == KEPT_LINES {
                    read.lines.pop_front();
                }
                read.lines.push_back(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
            }
            shared.read().at_end = true;
        });
        lines
    }

    fn read(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn so_far(&self) -> Vec<String> {
        self.read().lines.iter().cloned().collect()
    }

    fn with(&self, text: &str) -> Option<String> {
        self.read().lines.iter().find(|line| line.contains(text)).cloned()
    }

    fn at_end(&self) -> bool {
        self.read().at_end
    }
}
