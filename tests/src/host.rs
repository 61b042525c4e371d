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

/// Lines kept of each stream of a child; older ones are dropped.
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
    // What `invoke` keeps is not to be left with whoever runs the tests.
    environment.push(("XDG_CACHE_HOME".into(), cargo::target().join("tmp/cache").into()));
    Prepared { program: None, arguments, environment, current_dir: None, listens: false, _folder: None }
}

/// Prepares another program with these arguments.
pub fn program<A: AsRef<OsStr>>(path: &Path, arguments: impl IntoIterator<Item = A>) -> Prepared {
    Prepared { program: Some(path.to_owned()), ..host(arguments) }
}

/// Prepares `cofferdam run --json` on a configuration, which is written to a folder of its own.
pub fn run(configuration: &str) -> Prepared {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("cofferdam.toml");
    std::fs::write(&file, configuration).expect("a temporary file can be written");
    let arguments = ["run".as_ref(), "--config".as_ref(), file.as_os_str(), "--json".as_ref()];
    Prepared { _folder: Some(folder), ..host(arguments) }
}

/// The binary itself, built once in a test process with the profile of the test. `COFFERDAM_BIN` names another one.
///
/// # Panics
/// Where it does not build, with what cargo says.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("COFFERDAM_BIN") {
            return PathBuf::from(given);
        }
        let folder = cargo::target().to_str().expect("the target folder has a name in unicode").to_owned();
        // The whole workspace chooses the features of the dependencies, as in `cargo test --workspace`: with the package
        // alone they differ a little, and wasmtime would be built a second time.
        let arguments = ["--workspace", "--bin", "cofferdam", "--target-dir", &folder].map(str::to_owned);
        let files = cargo::build(&[&arguments, cargo::profile().as_slice()].concat())
            .unwrap_or_else(|failure| panic!("{failure}"));
        let name = format!("cofferdam{}", std::env::consts::EXE_SUFFIX);
        files.into_iter().find(|file| file.ends_with(&name)).expect("cargo names the binary it has built")
    })
}

/// A child that is not started yet.
pub struct Prepared {
    /// `cofferdam`, where it is `None`.
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    listens: bool,
    _folder: Option<TempDir>,
}

impl Prepared {
    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Prepared {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Prepared {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// The same configuration for another command, without `--json`.
    ///
    /// # Panics
    /// Where this is no [`run`].
    pub fn instead_of_run(mut self, command: &str) -> Prepared {
        assert_eq!(self.arguments[0], "run");
        self.arguments[0] = command.into();
        self.arguments.retain(|argument| argument != "--json");
        self
    }

    /// Another binary.
    pub fn by(self, program: &Path) -> Prepared {
        Prepared { program: Some(program.to_owned()), ..self }
    }

    /// Starts it in this folder instead of that of the test.
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Prepared {
        self.current_dir = Some(folder.into());
        self
    }

    /// Gives it a standard input, for [`Host::tell`].
    pub fn listening(mut self) -> Prepared {
        self.listens = true;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it does not build or cannot be started.
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

/// A running `cofferdam`; it is killed when this is dropped, and when the test process ends.
pub struct Host {
    prepared: Prepared,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

/// How a child ended, and all it said.
pub struct Ended {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Lines of standard output.
    pub stdout: Vec<String>,
    /// Lines of standard error.
    pub stderr: Vec<String>,
}

impl Host {
    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, for example [`Signal::TERM`]; does nothing where it has ended.
    pub fn signal(&mut self, signal: Signal) {
        // After a wait its id may belong to somebody else.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), signal); // ending at this very moment is no fault
        }
    }

    /// Kills it, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // fails only where it has ended
        let _ = self.child.wait();
    }

    /// Starts it once more, with the same arguments and folders; kills it before, where it still runs. What it said
    /// before is forgotten.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn restart(&mut self) {
        self.kill();
        (self.child, self.stdout, self.stderr) = self.prepared.spawn();
        self.stdin = self.child.stdin.take();
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// Where it has none, see [`Prepared::listening`].
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it was given a standard input");
        writeln!(stdin, "{line}").expect("it reads its standard input");
    }

    /// Lets it stand still, as a machine that is overloaded does; its connections stay open.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Memory of its own that is in use, bytes (Linux).
    ///
    /// # Panics
    /// Where it has ended.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that it has had in use so far, bytes (Linux).
    ///
    /// # Panics
    /// Where it has ended.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes");
        kilobytes << 10
    }

    /// Files and connections that it has open (Linux).
    ///
    /// # Panics
    /// Where it has ended.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs").count()
    }

    /// The lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    /// The lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Waits until a line with this text stands on standard output or standard error, and returns the line.
    ///
    /// # Panics
    /// When `within` is over.
    pub async fn says(&self, text: &str, within: Duration) -> String {
        wait::eventually(&format!("cofferdam says {text:?}"), within, async || {
            [&self.stdout, &self.stderr].into_iter().find_map(|lines| lines.with(text))
        })
        .await
    }

    /// Waits until as many lines of what it says contain `text`, and returns the last of them.
    ///
    /// # Panics
    /// When `within` is over.
    pub async fn says_times(&self, text: &str, times: usize, within: Duration) -> String {
        wait::eventually(&format!("cofferdam says {text:?} {times} times"), within, async || {
            let lines = [&self.stdout, &self.stderr].into_iter().flat_map(Lines::so_far);
            lines.filter(|line| line.contains(text)).nth(times - 1)
        })
        .await
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When `within` is over.
    pub async fn wait(mut self, within: Duration) -> Ended {
        self.ended(within).await
    }

    /// Asks it to stop and waits until it has; it can be started again.
    ///
    /// # Panics
    /// When `within` is over.
    pub async fn stop(&mut self, within: Duration) -> Ended {
        self.signal(Signal::TERM);
        self.ended(within).await
    }

    async fn ended(&mut self, within: Duration) -> Ended {
        let status = wait::eventually("cofferdam ends", within, async || {
            self.child.try_wait().expect("the state of a child can be asked for")
        })
        .await;
        // The streams end with the process, unless it left a child behind that holds them.
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
    /// The exit code; `None` where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The account: the last line of standard output, as JSON.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn account(&self) -> Value {
        let line = self.stdout.last().map_or("", String::as_str);
        let account = serde_json::from_str(line);
        account.unwrap_or_else(|error| {
            panic!("no account at the end of standard output, {error}: {line:?}\n{}", self.stderr.join("\n"))
        })
    }
}

/// The lines of one stream, read by a thread of its own so that the child never waits for us.
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
